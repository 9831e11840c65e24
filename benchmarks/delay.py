"""A TCP proxy that adds a delay each way and keeps the order: `async with delayed(port, milliseconds=1) as port`."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def delayed(target: int, *, milliseconds: float) -> AsyncGenerator[int]:
    """Listen on a free port of 127.0.0.1 and pass everything on to port `target`, `milliseconds` later each way."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", target)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(_pump(source, sink, milliseconds / 1000))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for task in tasks:
            task.cancel()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()

    def pass_on(data: bytes) -> None:
        with contextlib.suppress(RuntimeError, ConnectionError):  # the other side has gone
            sink.write(data) if data else sink.close()

    with contextlib.suppress(ConnectionError):
        while data := await source.read(1 << 18):
            loop.call_later(delay, pass_on, data)
    loop.call_later(delay, pass_on, b"")
