"""A Redis server made of the test's own answers, for what a real one would never say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import hiredis

Answer = bytes | None
"""Bytes to send as they are; None closes the connection."""


class RedisPeer:
    """Listens on 127.0.0.1 and answers each command with what `answer` returns.

    Attributes:
        commands: What came, each as a list of arguments.
        connections: How many were accepted.
        open: How many of them are open.
    """

    def __init__(self, answer: Callable[[list[bytes]], Answer | Awaitable[Answer]]) -> None:
        self.commands: list[list[bytes]] = []
        self.connections = 0
        self.port = 0
        self._answer = answer
        self._writers: set[asyncio.StreamWriter] = set()
        self._news = asyncio.Event()

    @property
    def open(self) -> int:
        return len(self._writers)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that commands and connections change has come true."""
        while not condition():
            await self._news.wait()

    def count(self, name: bytes) -> int:
        return sum(command[0] == name for command in self.commands)

    def drop(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()

    def say(self, unasked: bytes) -> None:
        """Send bytes on every connection."""
        for writer in self._writers:
            writer.write(unasked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        parser = hiredis.Reader(notEnoughData=...)
        try:
            while data := await reader.read(65536):
                parser.feed(data)
                while (command := parser.gets()) is not ...:
                    self.commands.append(command)
                    self._tell()
                    answer = self._answer(command)
                    if isinstance(answer, Awaitable):
                        answer = await answer
                    if answer is None:
                        return
                    writer.write(answer)
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news.clear()


@asynccontextmanager
async def redis_peer(answer: Callable[[list[bytes]], Answer | Awaitable[Answer]]) -> AsyncIterator[RedisPeer]:
    """Yield a peer that listens; leave the block when its clients are closed."""
    peer = RedisPeer(answer)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    serving = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    try:
        yield peer
    finally:
        peer.drop()
        server.close()
        ended = [task for task in asyncio.all_tasks() - serving if task is not asyncio.current_task()]
        await asyncio.gather(*ended, return_exceptions=True)
