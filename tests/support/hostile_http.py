"""An HTTP server whose every byte the test chooses, and which misbehaves on request.

async def answer(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
    peer.close()

async with HostileServer(answer) as server:
    ... f"http://127.0.0.1:{server.port}/"
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode()


class Peer:
    """One connection, seen from the server.

    Attributes:
        number: 1 for the first connection the server got.
        gone: Set when the client has closed.
    """

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: list[Request]
    ) -> None:
        self.number = number
        self._reader = reader
        self._writer = writer
        self._requests = requests

    async def request(self) -> Request:
        """Read one request to the end of its body."""
        head = await self.head()
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        request = Request(head, await self._reader.readexactly(length))
        self._requests.append(request)
        return request

    async def head(self) -> bytes:
        """Read up to the end of a request's headers and nothing after it."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def read(self, most: int) -> bytes:
        return await self._reader.read(most)

    async def send(self, data: bytes) -> None:
        if self._writer.is_closing():  # uvloop would say so with a RuntimeError
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()

    async def send_bytewise(self, data: bytes) -> None:
        """Send each byte by itself, and let the client run before the next."""
        for byte in data:
            await self.send(bytes((byte,)))
            for _ in range(3):
                await asyncio.sleep(0)

    def end_sending(self) -> None:
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Break the connection off, so that the client gets RST instead of the end of the stream."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def until_gone(self) -> bytes:
        """Read what comes until the client closes; return it."""
        try:
            return await self._reader.read(-1)
        except ConnectionError:
            return b""


class HostileServer:
    """A listener on 127.0.0.1 that hands each connection to `behave` and closes it when that returns.

    Attributes:
        port: Where it listens.
        peers: Every connection it got, in order.
        requests: Every request read whole, in order.
        failures: What `behave` raised, other than that the client went away. `aclose` raises the first.
    """

    def __init__(
        self, behave: Callable[[Peer], Awaitable[None]], *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._behave = behave
        self._tls = tls
        self._host = host
        self._changed = asyncio.Condition()
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.peers: list[Peer] = []
        self.requests: list[Request] = []
        self.failures: list[BaseException] = []

    async def __aenter__(self) -> "HostileServer":
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls, limit=1024 * 1024)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self.failures:
            raise self.failures[0]

    @property
    def connections(self) -> int:
        """How many connections it ever got."""
        return len(self.peers)

    async def until_open(self, count: int) -> None:
        """Wait until exactly `count` connections are open."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self._open == count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await self._count(1)
        peer = Peer(len(self.peers) + 1, reader, writer, self.requests)
        self.peers.append(peer)
        try:
            await self._behave(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        except BaseException as failure:
            self.failures.append(failure)
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(2):
                    await writer.wait_closed()
            await self._count(-1)

    async def _count(self, change: int) -> None:
        self._open += change
        async with self._changed:
            self._changed.notify_all()


def always(answer: bytes) -> Callable[[Peer], Awaitable[None]]:
    """Answer every request of every connection with the same bytes."""

    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer)

    return behave


def once(answer: bytes) -> Callable[[Peer], Awaitable[None]]:
    """Answer the first request of each connection with these bytes, then close."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    return behave
