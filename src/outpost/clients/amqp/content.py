"""Bodies that arrive on one channel: a method announces one, then comes a header with its size, then its parts."""

import struct
from collections.abc import Callable

from outpost.clients.amqp.errors import ProtocolError
from outpost.clients.amqp.values import Cursor

MAX_BODY = 512 * 1024 * 1024
"""Most bytes of one body; RabbitMQ's own upper limit."""

_IDLE, _HEADER, _BODY = range(3)
_SIZE_AT, _FLAGS_AT, _HEADER_SIZE = 4, 12, 14
_SIZE_AND_FLAGS = struct.Struct(">QH")
# AMQP 0-9-1, 4.2.6.1: the properties whose flags are set follow in the order of the flags, content type first.
_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS = 0x8000, 0x4000, 0x2000
_NO_PROPERTIES = b"\0\0"

TakeMessage = Callable[[int, int, bytes], None]
"""Gets a delivery tag, how often the message has come back before, and its body.

Only quorum queues count; of other queues it is 1 for everything that has come back.
"""


class Content:
    """Puts one body after the other together."""

    __slots__ = ("_header", "_left", "_parts", "_returns", "_stage", "_tag", "_take")

    def __init__(self) -> None:
        self._stage = _IDLE
        self._left = 0
        self._parts: list[bytes] = []
        self._take: TakeMessage | None = None
        self._tag = 0
        self._returns = 0
        self._header: tuple[bytes, int, int] = (_NO_PROPERTIES, 0, len(_NO_PROPERTIES))

    @property
    def properties(self) -> bytes:
        """Those of the last message, as the broker wrote them: flags, then values."""
        data, start, stop = self._header
        return data[start:stop]

    def begin(self, take: TakeMessage, tag: int, redelivered: bool) -> None:
        """Expect a body; `take` gets it, whole."""
        if self._stage != _IDLE:
            raise ProtocolError("it starts a message within another")
        self._stage = _HEADER
        self._take = take
        self._tag = tag
        self._returns = int(redelivered)

    def header(self, data: bytes, start: int, stop: int) -> None:
        if self._stage != _HEADER or stop - start < _HEADER_SIZE:
            raise ProtocolError("it sends a header where none belongs, or half of one")
        size, flags = _SIZE_AND_FLAGS.unpack_from(data, start + _SIZE_AT)
        if size > MAX_BODY:
            raise ProtocolError(f"its message exceeds {MAX_BODY} bytes")
        self._left = size
        self._header = (data, start + _FLAGS_AT, stop)
        if self._returns and flags & _HEADERS:
            self._returns = _counted(flags, Cursor(data, start + _HEADER_SIZE, stop))
        if size:
            self._stage = _BODY
        else:
            self._finish(b"")

    def body(self, data: bytes, start: int, stop: int) -> None:
        left = self._left - (stop - start)
        if self._stage != _BODY or left < 0:
            raise ProtocolError("it sends more of a message than it announced")
        part = data[start:stop]
        if left:
            self._parts.append(part)
            self._left = left
        elif self._parts:
            self._parts.append(part)
            parts, self._parts = self._parts, []
            self._finish(b"".join(parts))
        else:
            self._finish(part)

    def _finish(self, body: bytes) -> None:
        take = self._take
        assert take is not None  # or there would have been no stage but _IDLE
        self._stage = _IDLE
        take(self._tag, self._returns, body)


def _counted(flags: int, properties: Cursor) -> int:
    """Return how often a message has come back: as a quorum queue counts, else once."""
    for before in (_CONTENT_TYPE, _CONTENT_ENCODING):
        if flags & before:
            properties.short_string()
    count = properties.table().get("x-delivery-count", 1)
    return count if isinstance(count, int) else 1
