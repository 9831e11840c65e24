"""A TCP proxy whose line can be made bad while it is in use, before any server: Redis, Postgres, RabbitMQ, ClickHouse.

    async with FaultProxy(server.port) as proxy:     # clients connect to 127.0.0.1:proxy.port
        proxy.delay(milliseconds=100)   what is sent from now on arrives later, each way
        proxy.silence()                 half-open: connections are accepted and stay open, and nothing passes
        proxy.lose_replies(after=10)    ten more bytes of replies pass; the next is lost, and its connection ends
        proxy.cut()                     open connections end, as when the server closes them
        proxy.reset()                   open connections end with a reset
        proxy.refuse()                  they are reset, and nobody listens any more
        proxy.forward()                 all is well again; what was held back by a silence arrives

The calls are plain functions, so that they can be made from any callback of the loop that the proxy runs in.
"""

import asyncio
import contextlib
import socket
import struct
from functools import partial
from typing import Any, Literal

_CHUNK = 1 << 18
_AHEAD = 64
"""Chunks that are on their way at most."""

_HOST = "127.0.0.1"
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: whatever was not sent is thrown away, and the other side gets a reset

End = Literal["close", "reset"]
_Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FaultProxy:
    """A proxy in front of a port of 127.0.0.1.

    Attributes:
        port: Where it listens, the same after `refuse` and `forward`.
        connections: How many were accepted.
        lost: Set when a reply was lost.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.connections = 0
        self.lost = asyncio.Event()
        self._target = target
        self._delay = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._replies_left: int | None = None
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._lines: set[_Line] = set()
        self._ended: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def open(self) -> int:
        return len(self._lines)

    def forward(self) -> None:
        self._delay, self._replies_left = 0.0, None
        self._flowing.set()
        if self._listener is None:
            self._listen()

    def delay(self, *, milliseconds: float) -> None:
        self._delay = milliseconds / 1000

    def silence(self) -> None:
        self._flowing.clear()

    def lose_replies(self, *, after: int = 0) -> None:
        """Let so many bytes of replies pass, on all connections together, and lose the next one.

        The server has executed what it answers, and the client does not know.
        """
        self._replies_left = after

    def cut(self) -> None:
        self._end("close")

    def reset(self) -> None:
        self._end("reset")

    def refuse(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            self._ended.add(self._accepting)
            self._accepting = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.reset()

    async def __aenter__(self) -> "FaultProxy":
        self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()
        await asyncio.gather(*self._ended, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    # What a line asks.

    async def connect(self, client: socket.socket | None = None) -> _Side:
        """Return the server, or a client that was accepted; it is closed with the proxy at the latest."""
        where: dict[str, Any] = {"sock": client} if client else {"host": _HOST, "port": self._target}
        side = await asyncio.open_connection(**where)
        self._writers.append(side[1])
        return side

    async def passing(self, due: float) -> None:
        """Wait until something that is due at a time of the loop may pass."""
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        await self._flowing.wait()

    def due(self) -> float:
        """Return when what is sent now arrives."""
        return asyncio.get_running_loop().time() + self._delay

    def allowed(self, reply: bytes) -> bytes:
        """Return as much of a reply as gets through."""
        if self._replies_left is None:
            return reply
        part = reply[: self._replies_left]
        if len(part) < len(reply):
            self._replies_left = None
            self.lost.set()
        else:
            self._replies_left -= len(part)
        return part

    # Within.

    def _listen(self) -> None:
        self._listener = socket.create_server((_HOST, self.port))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept(self._listener))

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listener)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does so only where it accepts itself
            self.connections += 1
            line = _Line(self, client)
            self._lines.add(line)
            line.task.add_done_callback(partial(self._line_ended, line))

    def _line_ended(self, line: "_Line", _: asyncio.Task[None]) -> None:
        self._lines.discard(line)

    def _end(self, how: End) -> None:
        for line in self._lines:
            line.how = how
            line.task.cancel()
            self._ended.add(line.task)


class _Line:
    """One client and its connection to the server."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self.how: End = "close"
        self._proxy = proxy
        self._client = client
        self._writers: list[asyncio.StreamWriter] = []
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(self._close)

    async def _run(self) -> None:
        """Pass on what both sides send, until one ends or the line is cancelled."""
        try:
            near = await self._proxy.connect(self._client)
            self._writers.append(near[1])
            far = await self._proxy.connect()
            self._writers.append(far[1])
        except OSError:
            self.how = "reset"  # as far as the client can tell, the server did it
        else:
            await self._both_ways(near, far)

    def _close(self, _: asyncio.Task[None]) -> None:
        if not self._writers:
            self._client.close()
        for writer in self._writers:
            _end_side(writer, self.how)

    async def _both_ways(self, near: _Side, far: _Side) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._pump(group, near[0], far[1], replies=False)
                self._pump(group, far[0], near[1], replies=True)
        except* OSError:
            self.how = "reset"
        except* _Lost:
            pass

    def _pump(
        self, group: asyncio.TaskGroup, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, replies: bool
    ) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_AHEAD)
        group.create_task(self._read(source, under_way))
        group.create_task(self._write(under_way, sink, replies=replies))

    async def _read(self, source: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b"first"
        while data:
            data = await source.read(_CHUNK)
            await under_way.put((self._proxy.due(), data))

    async def _write(
        self, under_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, *, replies: bool
    ) -> None:
        while True:
            due, data = await under_way.get()
            await self._proxy.passing(due)
            if not data:
                sink.write_eof()
                return
            part = self._proxy.allowed(data) if replies else data
            sink.write(part)
            await sink.drain()
            if len(part) < len(data):
                raise _Lost


class _Lost(Exception):
    """A reply was lost, and the connection with it."""


def _end_side(writer: asyncio.StreamWriter, how: End) -> None:
    """End one side of a line."""
    if how == "close":
        writer.close()
        return
    connection: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
