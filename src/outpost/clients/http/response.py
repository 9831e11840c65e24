"""What a server answered."""

from dataclasses import dataclass


@dataclass(slots=True)
class Response:
    """A response, read to its end or to the limit.

    Attributes:
        headers: In the order sent, names in lower case, repeated names kept; trailers are left out.
        body: As sent: no content coding is undone. At most `max_body` bytes.
        truncated: The body was longer than `max_body`; the rest was not read and the connection is closed.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    truncated: bool

    def __repr__(self) -> str:
        """Tell sizes only: headers and body belong to the server and may hold secrets."""
        return f"Response(status={self.status}, headers={len(self.headers)}, body={len(self.body)} bytes)"
