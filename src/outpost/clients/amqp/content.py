"""Bodies that arrive on one channel: a method announces one, then comes a header with its size, then its parts."""

import struct
from collections.abc import Callable

from outpost.clients.amqp.errors import ProtocolError

MAX_BODY = 512 * 1024 * 1024
"""Most bytes of one body; RabbitMQ's own upper limit."""

_IDLE, _HEADER, _BODY = range(3)
_SIZE_AT, _HEADER_SIZE = 4, 14
_SIZE = struct.Struct(">Q")

TakeMessage = Callable[[int, bool, bytes], None]
"""Gets a delivery tag, whether the message was delivered before, and its body."""


class Content:
    """Puts one body after the other together."""

    __slots__ = ("_left", "_parts", "_redelivered", "_stage", "_tag", "_take")

    def __init__(self) -> None:
        self._stage = _IDLE
        self._left = 0
        self._parts: list[bytes] = []
        self._take: TakeMessage | None = None
        self._tag = 0
        self._redelivered = False

    def begin(self, take: TakeMessage, tag: int, redelivered: bool) -> None:
        """Expect a body; `take` gets it, whole."""
        if self._stage != _IDLE:
            raise ProtocolError("it starts a message within another")
        self._stage = _HEADER
        self._take = take
        self._tag = tag
        self._redelivered = redelivered

    def header(self, data: bytes, start: int, stop: int) -> None:
        if self._stage != _HEADER or stop - start < _HEADER_SIZE:
            raise ProtocolError("it sends a header where none belongs, or half of one")
        size = _SIZE.unpack_from(data, start + _SIZE_AT)[0]
        if size > MAX_BODY:
            raise ProtocolError(f"its message exceeds {MAX_BODY} bytes")
        self._left = size
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
        take(self._tag, self._redelivered, body)
