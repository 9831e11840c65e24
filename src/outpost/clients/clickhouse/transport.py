"""What this client needs of an HTTP client."""

from collections.abc import Sequence
from typing import Protocol


class Answer(Protocol):
    """A response, read to its end or to the limit.

    Attributes:
        headers: Names in lower case.
        truncated: The body was longer than what was asked for.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]: ...

    @property
    def body(self) -> bytes: ...

    @property
    def truncated(self) -> bool: ...


class NoAnswer(Exception):
    """A transport raises this when there is no complete answer.

    Attributes:
        reason: Why, for people.
        timed_out: The deadline was the reason.
    """

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out


class Transport(Protocol):
    """Sends one POST and returns its answer, whatever the status."""

    async def __call__(self, url: str, head: bytes, body: bytes, *, deadline: float, max_body: int) -> Answer:
        """Send the request.

        Args:
            url: Absolute; holds the parameters, so it is not for logs.
            head: Header lines, each ended by CR LF, without Host and Content-Length; they hold the password.
            deadline: When all must be done, on the clock of the running loop.
            max_body: Most bytes of the answer that are read.

        Raises:
            NoAnswer: There was no complete answer.
        """
        ...
