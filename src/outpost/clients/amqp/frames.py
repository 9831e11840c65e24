"""Frames: what the bytes of a connection are cut into.

┌──────┬─────────┬────────┬─────────────┬──────┐
│ type │ channel │  size  │   payload   │ 0xCE │     AMQP 0-9-1, section 4.2.3
└──────┴─────────┴────────┴─────────────┴──────┘
  1 B      2 B       4 B     size bytes     1 B
"""

import struct
from collections.abc import Callable

from outpost.clients.amqp.errors import ProtocolError

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = b"\xce"
OVERHEAD = 8
"""Bytes of a frame that are not payload."""

MAX_FRAME = 131_072
"""Most bytes of a frame, either way, unless the broker wants smaller ones. It is RabbitMQ's own default."""

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_HEAD = struct.Struct(">BHI")
_END = FRAME_END[0]

TakeFrame = Callable[[int, int, bytes, int, int], None]
"""Gets type, channel, and the bytes in which the payload lies from one index to another."""


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return _HEAD.pack(kind, channel, len(payload)) + payload + FRAME_END


class FrameReader:
    """Cuts what arrives, in pieces of any size, into frames.

    Attributes:
        max_frame: Most bytes of one frame.
    """

    __slots__ = ("_needed", "_rest", "_take", "max_frame")

    def __init__(self, take: TakeFrame) -> None:
        self.max_frame = MAX_FRAME
        self._take = take
        self._rest = bytearray()  # an incomplete frame
        self._needed = 0  # how long `_rest` must be before a look at it can tell anything new

    def feed(self, data: bytes) -> None:
        """Take bytes, and hand on every frame that is now complete.

        Raises:
            ProtocolError: These are no frames.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at = self._cut(data)
        if at < len(data):
            self._rest += memoryview(data)[at:]

    def _cut(self, data: bytes) -> int:
        """Hand on the frames in `data`, and return where the first incomplete one starts."""
        at, end, read_head, take, largest = 0, len(data), _HEAD.unpack_from, self._take, self.max_frame - OVERHEAD
        while end - at >= OVERHEAD:
            kind, channel, size = read_head(data, at)
            if size > largest:
                raise ProtocolError(_strange_start(data, at) or f"its frame of {size} bytes is larger than agreed")
            start = at + 7
            stop = start + size
            if stop >= end:
                self._needed = size + OVERHEAD
                return at
            if data[stop] != _END:
                raise ProtocolError("its frame does not end where it should")
            take(kind, channel, data, start, stop)
            at = stop + 1
        self._needed = OVERHEAD
        return at


def _strange_start(data: bytes, at: int) -> str | None:
    """Return what is wrong if this is how a server of another kind or version answers."""
    if data[at : at + 4] == b"AMQP":
        return "it speaks another version of AMQP"
    return None if data[at] in (METHOD, HEADER, BODY, HEARTBEAT) else "it does not speak AMQP"
