"""Publications to one address: all that is the same in each of them is put into bytes once."""

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from outpost.clients.amqp.confirms import Address
from outpost.clients.amqp.frames import BODY, FRAME_END, HEADER, METHOD, OVERHEAD, frame
from outpost.clients.amqp.methods import BASIC_CLASS, basic_publish
from outpost.clients.amqp.values import Table, short_string, table

_HEADER_START = struct.Struct(">HH")
_FRAME_HEAD = struct.Struct(">BHI")
_SIZE = struct.Struct(">Q")


class Outlet(Protocol):
    """What a publisher needs of its channel."""

    number: int

    def check_open(self) -> None: ...
    def publish(self, frames: list[bytes], count: int, address: Address) -> "asyncio.Future[None]": ...


@dataclass(frozen=True, kw_only=True)
class Properties:
    """What a message says of itself (AMQP 0-9-1, class basic); empty means unsaid.

    Attributes:
        durable: It survives a restart of the broker, in a durable queue.
        timestamp: Seconds since the epoch.
    """

    content_type: str = ""
    headers: Table | None = None
    durable: bool = True
    message_id: str = ""
    timestamp: int | None = None

    def encode(self) -> bytes:
        """Return flags, then values; their order is the flags' from the highest."""
        fields = (
            (1 << 15, short_string(self.content_type) if self.content_type else b""),
            (1 << 13, b"" if self.headers is None else table(self.headers)),
            (1 << 12, b"\x02" if self.durable else b"\x01"),
            (1 << 7, short_string(self.message_id) if self.message_id else b""),
            (1 << 6, b"" if self.timestamp is None else _SIZE.pack(self.timestamp)),
        )
        flags = sum(flag for flag, value in fields if value)
        return struct.pack(">H", flags) + b"".join(value for _, value in fields)


@dataclass(frozen=True)
class ReceivedProperties:
    """What a message that was delivered said of itself, so that it can be said again."""

    encoded: bytes

    @property
    def names_user(self) -> bool:
        """Whether it says who published it, which a broker takes from that user alone."""
        return bool(int.from_bytes(self.encoded[:2]) & 1 << 4)

    def encode(self) -> bytes:
        return self.encoded


class Publisher:
    """Sends to one exchange with one routing key, on one channel, which confirms."""

    __slots__ = ("_address", "_before_size", "_body_head", "_channel", "_largest_part", "_properties_end")

    def __init__(
        self,
        channel: Outlet,
        *,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        properties: Properties | ReceivedProperties,
        max_frame: int,
    ) -> None:
        self._channel = channel
        self._address = (exchange, routing_key)
        self._largest_part = max_frame - OVERHEAD
        encoded = properties.encode()
        # method frame │ header frame: class, weight, ◂size of the body▸, properties │ body frame: type, channel, ◂size▸
        self._before_size = (
            frame(METHOD, channel.number, basic_publish(exchange, routing_key, mandatory=mandatory))
            + _FRAME_HEAD.pack(HEADER, channel.number, _HEADER_START.size + _SIZE.size + len(encoded))
            + _HEADER_START.pack(BASIC_CLASS, 0)
        )
        self._body_head = struct.pack(">BH", BODY, channel.number)
        self._properties_end = encoded + FRAME_END

    def send(self, bodies: Sequence[bytes]) -> "asyncio.Future[None]":
        """Publish, and return the future of the broker's word that it has stored every one of them.

        Await it at some time. It fails with AmqpNotStored, AmqpChannelClosed or AmqpConnectionLost; then each of them
        may or may not be stored. Cancelling it takes nothing back.

        Raises:
            AmqpNotConnected: The channel is gone; nothing was sent.
        """
        self._channel.check_open()
        before, end, body_head, largest = self._before_size, self._properties_end, self._body_head, self._largest_part
        pack_size, parts = _SIZE.pack, list[bytes]()
        for body in bodies:
            size = pack_size(len(body))
            if 0 < len(body) <= largest:
                parts += (before, size, end, body_head, size[4:], body, FRAME_END)
            else:
                parts += (before, size, end, *self._split(body))
        return self._channel.publish(parts, len(bodies), self._address)

    def _split(self, body: bytes) -> list[bytes]:
        """Return the body frames of a body that is empty or needs several."""
        return [
            frame(BODY, self._channel.number, body[at : at + self._largest_part])
            for at in range(0, len(body), self._largest_part)
        ]
