"""The broker's side of AMQP, for what a real broker would never say: bytes to send, and a look at what came."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from outpost.clients.amqp import AmqpOptions, Channel
from outpost.clients.amqp.connection import Connection
from outpost.clients.amqp.frames import BODY, HEADER, METHOD, PROTOCOL_HEADER, FrameReader, frame
from outpost.clients.amqp.methods import channel_open, connection_close
from outpost.clients.amqp.values import long_string, short_string, table

Frame = tuple[int, int, bytes]
"""Type, channel, payload."""


def method(channel: int, class_: int, number: int, arguments: bytes = b"") -> bytes:
    return frame(METHOD, channel, struct.pack(">HH", class_, number) + arguments)


def start(mechanisms: bytes = b"AMQPLAIN PLAIN") -> bytes:
    properties = {"product": "peer", "capabilities": {"basic.nack": True}}
    return method(0, 10, 10, b"\x00\x09" + table(properties) + long_string(mechanisms) + long_string(b"en_US"))


def tune(*, channel_max: int = 2047, frame_max: int = 131_072, heartbeat: int = 0) -> bytes:
    return method(0, 10, 30, struct.pack(">HIH", channel_max, frame_max, heartbeat))


OPEN_OK = method(0, 10, 41, b"\x00")
CHANNEL_OPEN_OK = method(1, 20, 11, long_string(b""))
CONFIRM_SELECT_OK = method(1, 85, 11)
CONSUME_OK = method(1, 60, 21, short_string("1"))
BLOCKED = method(0, 10, 60, short_string("low on memory"))
UNBLOCKED = method(0, 10, 61)


def close(channel: int, code: int, text: str) -> bytes:
    arguments = struct.pack(">H", code) + short_string(text) + b"\x00\x00\x00\x00"
    return method(channel, 20, 40, arguments) if channel else method(0, 10, 50, arguments)


def confirm(tag: int, *, multiple: bool = False, stored: bool = True) -> bytes:
    return method(1, 60, 80 if stored else 120, struct.pack(">QB", tag, multiple))


def deliver(tag: int, body: bytes, *, consumer: str = "1", redelivered: bool = False, part: int = 1000) -> bytes:
    """Return a delivery, whose body comes in parts of so many bytes."""
    names = short_string("exchange") + short_string("key")
    announced = method(1, 60, 60, short_string(consumer) + struct.pack(">QB", tag, redelivered) + names)
    return announced + content(body, part=part)


def returned(body: bytes, *, exchange: str, routing_key: str) -> bytes:
    names = short_string(exchange) + short_string(routing_key)
    return method(1, 60, 50, struct.pack(">H", 312) + short_string("NO_ROUTE") + names) + content(body)


def content(body: bytes, *, part: int = 1000) -> bytes:
    header = frame(HEADER, 1, struct.pack(">HHQHB", 60, 0, len(body), 1 << 12, 2))
    return header + b"".join(frame(BODY, 1, body[at : at + part]) for at in range(0, len(body), part))


class Wire(asyncio.Transport):
    """Keeps what is written, one entry per write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def frames(self) -> list[Frame]:
        """Return what was written so far, and forget it."""
        frames: list[Frame] = []
        reader = FrameReader(lambda kind, channel, data, at, end: frames.append((kind, channel, data[at:end])))
        reader.feed(b"".join(self.writes).removeprefix(PROTOCOL_HEADER))
        self.writes.clear()
        return frames


class Line:
    """A connection and both its ends, in one process."""

    def __init__(self, options: AmqpOptions | None = None) -> None:
        self.wire = Wire()
        self.connection = Connection(options or AmqpOptions(host="peer", port=1))
        self.connection.connection_made(self.wire)

    def say(self, *answers: bytes) -> None:
        self.connection.data_received(b"".join(answers))

    async def turn(self) -> None:
        """Let what was asked for be written."""
        for _ in range(3):
            await asyncio.sleep(0)

    async def frames(self) -> list[Frame]:
        await self.turn()
        return self.wire.frames()

    async def opened(self, *, frame_max: int = 131_072, heartbeat: int = 0) -> "Line":
        self.say(start())
        self.say(tune(frame_max=frame_max, heartbeat=heartbeat))
        self.say(OPEN_OK)
        await self.connection.opened()
        await self.frames()
        return self

    async def channel(self, *, confirms: bool = False) -> Channel:
        opening = asyncio.create_task(self.connection.channel())
        await self.turn()
        self.say(CHANNEL_OPEN_OK)
        channel = await opening
        if confirms:
            selecting = asyncio.create_task(channel.confirm_select())
            await self.turn()
            self.say(CONFIRM_SELECT_OK)
            await selecting
        await self.frames()
        return channel


@asynccontextmanager
async def broker_that_says(*answers: bytes, to_a_channel: bytes = CHANNEL_OPEN_OK) -> AsyncIterator[int]:
    """Yield the port of a server that says all this to whoever connects.

    Args:
        to_a_channel: Said when a channel is opened.
    """
    ended: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.Event()
        ended.append(end)
        writer.write(b"".join(answers))
        with suppress(ConnectionError):
            while (data := await reader.read(65536)) and connection_close() not in data:
                if channel_open() in data:
                    writer.write(to_a_channel)
        writer.close()
        end.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for end in ended:
            await end.wait()
