"""A stretch of network between a client and a server of 127.0.0.1, which a test can spoil."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Relay:
    """Passes bytes on, both ways.

    Attributes:
        port: Where it listens.
        piece: Most bytes passed on in one write towards the client; None means all there are.
    """

    def __init__(self, port: int, *, piece: int | None = None) -> None:
        self.port = 0
        self.piece = piece
        self._towards = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def hold(self) -> None:
        """Let nothing pass, and close nothing: a cable is pulled."""
        self._flowing.clear()

    def go_on(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._towards)
        ends = {writer, server_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, server_writer, None))
                tasks.create_task(self._pass(server_reader, writer, self.piece))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: int | None) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(piece or 65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
                if piece:
                    await asyncio.sleep(0)  # so that the next piece does not travel with this one
        writer.close()


@asynccontextmanager
async def relay(port: int, *, piece: int | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """Yield a relay to a port of 127.0.0.1.

    Args:
        tls: Spoken with the client; the server behind is spoken to without.
    """
    between = Relay(port, piece=piece)
    server = await asyncio.start_server(between.serve, "127.0.0.1", 0, ssl=tls)
    between.port = server.sockets[0].getsockname()[1]
    before = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    try:
        yield between
    finally:
        server.close()
        between.go_on()
        between.cut()
        left = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]
        await asyncio.gather(*left, return_exceptions=True)
