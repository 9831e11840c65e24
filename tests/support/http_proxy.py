"""A forward proxy: http in absolute form, anything else through CONNECT. It reaches this machine only."""

import asyncio
import base64
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

NO_WAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
CHALLENGE = b'HTTP/1.1 407 Nobody\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n\r\n'


class HttpProxy:
    """Listens on a free port of 127.0.0.1 while it is entered, and looks every name up as 127.0.0.1.

    Attributes:
        port: Where it listens.
        heads: The request lines and headers that it was sent, in order.
        says: Answers every request with these bytes, when set, and connects to nobody.
        connections: How many connections it ever got.
    """

    def __init__(self, *, user: str = "", password: str = "", tls: ssl.SSLContext | None = None) -> None:
        self._expected = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.heads: list[str] = []
        self.says: bytes | None = None
        self.connections = 0

    async def __aenter__(self) -> "HttpProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def lines(self) -> list[str]:
        """The request lines that it was sent."""
        return [head.partition("\r\n")[0] for head in self.heads]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Handle one request and say whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        method, target, _ = head.partition("\r\n")[0].split(" ")
        body = await reader.readexactly(_length(head))
        answer = self._own_answer(head)
        if answer is not None:
            writer.write(answer)
            await writer.drain()
            return True
        if method == "CONNECT":
            await self._tunnel(int(target.rpartition(":")[2]), reader, writer)
            return False
        await self._forward(method, target, head, body, writer)
        return True

    def _own_answer(self, head: str) -> bytes | None:
        if self._expected and f"Proxy-Authorization: Basic {self._expected}\r\n" not in head:
            return CHALLENGE
        return self.says

    async def _tunnel(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.write(NO_WAY)
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pass(reader, server_writer))
                tasks.create_task(_pass(server_reader, writer))
        finally:
            server_writer.transport.abort()

    async def _forward(self, method: str, target: str, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        url = urlsplit(target)
        lines = [line for line in head.split("\r\n")[1:-2] if not line.lower().startswith("proxy-")]
        start = f"{method} {url.path}{'?' + url.query if url.query else ''} HTTP/1.1"
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", url.port or 80)
        except OSError:
            writer.write(NO_WAY)
            return
        server_writer.write("\r\n".join([start, *lines, "", ""]).encode() + body)
        try:
            answer = await server_reader.readuntil(b"\r\n\r\n")
            writer.write(answer + await server_reader.readexactly(_length(answer.decode())))
            await writer.drain()
        finally:
            server_writer.transport.abort()


def _length(head: str) -> int:
    for line in head.lower().split("\r\n"):
        if line.startswith("content-length:"):
            return int(line.partition(":")[2])
    return 0


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
