"""The headers of a webhook.

Later ones win over earlier ones of the same name:

    content-type, custom headers            the same for every event of a destination
    one per metadata entry                  system (event-id, topic, timestamp) < delivery metadata < event metadata
    signature, user-agent, authorization
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from outpost.destinations.webhook.settings import HEADER_NAME, RESERVED_HEADERS, SYSTEM_KEYS, WebhookSettings
from outpost.domain.destination import Destination
from outpost.domain.event import Event

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_ILLEGAL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
_HEAD = re.compile(r"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*", re.ASCII)

Headers = dict[str, str]


def custom_headers(config: Mapping[str, str]) -> dict[str, str] | None:
    """Return the custom headers; None if the setting is not a JSON object of strings."""
    text = config.get("custom_headers", "")
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, RecursionError):
        return None


def custom_header_problems(config: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the custom headers, in their order."""
    headers = custom_headers(config)
    if headers is None:
        return ["config.custom_headers failed invalid validation"]
    problems: list[str] = []
    for name, value in headers.items():
        field = f"config.custom_headers.{name.lower()}"
        if not HEADER_NAME.fullmatch(name):
            problems.append(f"{field} failed pattern validation")
        elif name.lower() in RESERVED_HEADERS:
            problems.append(f"{field} is forbidden")
        elif not value:
            problems.append(f"{field} is required")
    return problems


class HeaderPlan:
    """Encodes the headers of one mode."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Raises ConfigurationError for names that cannot be used."""
        self._prefix = settings.prefix
        self._standard = settings.mode == "standard"
        self._with_milliseconds = settings.include_millisecond_timestamp
        self._user_agent = settings.user_agent
        names: dict[str, str | None]
        if self._standard:
            names = {"event-id": "id", "timestamp": "timestamp", "signature": "signature"}
            names = {key: self._prefix + str(name) for key, name in names.items()}
            names["topic"] = self._prefix + "topic"
        else:
            names = settings.header_names()
        self._names = names
        # Metadata must never replace what the receiver relies on.
        self._protected = RESERVED_HEADERS | {str(names[key]) for key in ("event-id", "timestamp", "signature")}

    @property
    def signs(self) -> bool:
        return self._names["signature"] is not None

    def own(self, destination: Destination, authorization: str | None) -> Headers:
        """Return what a destination sends with every event."""
        headers = {"content-type": "application/json"}
        headers |= {name.lower(): value for name, value in (custom_headers(destination.config) or {}).items()}
        headers["user-agent"] = self._user_agent
        if authorization is not None:
            headers.setdefault("authorization", authorization)
        return headers

    def encode(
        self,
        own: Headers,
        event: Event,
        delivery_metadata: Mapping[str, str],
        signature: str | None,
        now: datetime,
    ) -> bytes:
        """Return the header lines of one request."""
        utc = now.astimezone(UTC)
        metadata = {
            "event-id": event.id,
            "topic": event.topic,
            "timestamp": f"{utc:%Y-%m-%dT%H:%M:%SZ}",
            **delivery_metadata,
            **event.metadata,
        }
        if self._with_milliseconds:
            metadata.setdefault("timestamp-ms", _with_fraction(utc))
        headers = dict(own)
        if self._standard:
            self._add_standard(headers, metadata, event, utc)
        else:
            for key, value in metadata.items():
                name = self._names[key] if key in SYSTEM_KEYS else self._prefix + key.lower()
                if name:
                    headers[name] = value
        if signature is not None:
            headers[str(self._names["signature"])] = signature
        headers["user-agent"] = own["user-agent"]
        text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if text.count("\n") != len(headers) or not _HEAD.fullmatch(text):
            text = "".join(_cleaned(headers))
        return text.encode("utf-8", "replace")

    def _add_standard(self, headers: Headers, metadata: Mapping[str, Any], event: Event, utc: datetime) -> None:
        for key, value in metadata.items():
            if key not in ("event-id", "timestamp"):
                headers[self._prefix + key.lower()] = value
        for key, value in event.metadata.items():
            if key.lower() not in self._protected:
                headers[key.lower()] = value
        headers[str(self._names["event-id"])] = event.id
        headers[str(self._names["timestamp"])] = str(int(utc.timestamp()))


def _cleaned(headers: Headers) -> list[str]:
    """Leave out what HTTP cannot carry: a name that is none, control characters in a value."""
    return [f"{name}: {_ILLEGAL.sub(' ', value)}\r\n" for name, value in headers.items() if _TOKEN.fullmatch(name)]


def _with_fraction(utc: datetime) -> str:
    return f"{utc:%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".") + "Z"
