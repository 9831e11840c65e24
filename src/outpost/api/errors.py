"""What an error looks like to a caller: the one table of HTTP statuses.

    {"status": 422, "message": "validation error", "data": ["config.url is required"]}

`message` is stable. `data`, where there is something to say, is a list of sentences for bodies and an object of
sentences for query parameters. The cause of a 5xx goes to the log only.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from outpost.domain.errors import (
    BacklogFull,
    CannotUnseal,
    DestinationDisabled,
    InvalidInput,
    InvalidTopics,
    NotFound,
    OutpostError,
    PublishContended,
    Refused,
    Unavailable,
    ValidationFailed,
)
from outpost.telemetry.outages import OUTAGES

_logger = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"

Data = Sequence[str] | Mapping[str, str] | None
Refusal = tuple[int, Mapping[str, str], bytes]
"""Status, headers beside the content type, and body of an answer that refuses."""


class Problem(OutpostError):
    """A request that the API itself refuses, before anything behind it is asked."""

    code = "problem"

    def __init__(
        self, status: int, message: str, data: Data = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.data = data
        self.headers = headers or {}
        super().__init__(message)


def unauthorized() -> Problem:
    return Problem(401, "unauthorized", headers={"WWW-Authenticate": "Bearer"})


def forbidden(message: str = "forbidden") -> Problem:
    return Problem(403, message)


def unknown_path() -> Problem:
    return Problem(404, "not found")


def too_large(limit: int) -> Problem:
    return Problem(413, "request body too large", [f"the body may have {limit} bytes"])


def invalid_json(*details: str) -> Problem:
    return Problem(422, "invalid JSON", details or None)


def invalid_query(parameter: str, sentence: str) -> Problem:
    return Problem(422, "validation error", {f"query.{parameter}": sentence})


def refusal(error: Exception) -> Refusal:
    """Return the answer for an error, and log what the caller is not shown."""
    if isinstance(error, Problem):
        return error.status, error.headers, _body(error.status, str(error), error.data)
    if isinstance(error, Unavailable):
        OUTAGES.turned_away(error, "requests", meanwhile="requests that need it are answered 503")
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return 503, headers, _body(503, "service unavailable", [_reason(error)])
    for kind, status, message in _TABLE:
        if isinstance(error, kind):
            return status, {}, _body(status, message or str(error), _details(error))
    if isinstance(error, CannotUnseal):
        _logger.error("request failed: %s", error)
        return 500, {}, _body(500, "internal server error", [_CANNOT_UNSEAL])
    _logger.error("request failed", exc_info=error)
    return 500, {}, _body(500, "internal server error", None)


_CANNOT_UNSEAL = "stored secrets of a destination cannot be decrypted; the log of Outpost says of which, and what to do"

# First match counts, so a class stands above its base. None shows the error's own sentence.
_TABLE: tuple[tuple[type[OutpostError], int, str | None], ...] = (
    (NotFound, 404, None),
    (ValidationFailed, 422, "validation error"),
    (InvalidTopics, 422, "validation failed: invalid topics"),
    (InvalidInput, 422, None),
    (PublishContended, 409, None),
    (Refused, 400, None),
)


def _details(error: OutpostError) -> Data:
    if isinstance(error, ValidationFailed):
        return error.messages
    if isinstance(error, InvalidTopics):
        return [error.detail]
    if isinstance(error, DestinationDisabled):
        return {"error": error.code}
    return None


def _reason(error: Unavailable) -> str:
    """A server's own words stay in the log; they may name hosts."""
    return str(error) if isinstance(error, BacklogFull) else error.code


def _body(status: int, message: str, data: Data) -> bytes:
    body: dict[str, Any] = {"status": status, "message": message}
    if data:
        body["data"] = data
    return msgspec.json.encode(body)
