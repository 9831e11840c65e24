"""Compares pages in processes of their own, for large stores.

Understanding records takes longer than reading them, and one Python process uses one processor. So this process hands
out pages of keys, and each of the others reads and compares the records with a connection of its own:

    this process                        python -m outpost.migrations.redis.comparing_processes
        |  job, page, page, ...   -- stdin -->   |
        |  <-- stdout --   findings, findings    |

Both ways, a message is its length in four bytes and a pickle. The others only read; the end of their input, also that
this process was killed, ends them.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any

import msgspec

from outpost.clients.redis import Redis
from outpost.migrations.errors import MigrationError
from outpost.migrations.redis.comparison import Comparison, Scope
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.findings import Findings
from outpost.migrations.redis.keys import ToolKeys

_LENGTH = 4
_MOST = 3
"""So that this process and the others, some 30 MB each, stay below 150 MB together."""


def processes() -> int:
    """Return how many there can usefully be."""
    return min(os.cpu_count() or 1, _MOST)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes compare.

    Attributes:
        connect: See `Context`.
    """

    connect: Callable[[], Redis]
    keys: ToolKeys
    across: bool
    scope: Scope

    def comparison(self, redis: Redis) -> Comparison:
        return Comparison(Context(redis, self.keys, across=self.across), self.scope)


class ComparingProcesses:
    """A `Comparer` that has others compare."""

    def __init__(self, job: Job, *, count: int) -> None:
        """Prepare; nothing is started before `async with`."""
        self.findings = Findings()
        self._job = job
        self._count = count
        self._free: asyncio.LifoQueue[_Process] = asyncio.LifoQueue()
        self._running = AsyncExitStack()

    async def __aenter__(self) -> "ComparingProcesses":
        async with AsyncExitStack() as starting:
            for _ in range(self._count):
                self._free.put_nowait(await starting.enter_async_context(_Process(self._job)))
            self._running = starting.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def page(self, keys: Sequence[bytes]) -> None:
        """Have a page compared, as soon as a process is free.

        Raises:
            RedisError: The records could not be read.
            MigrationError: The process has ended.
        """
        process = await self._free.get()
        self.findings.add(await process.compare(keys))
        self._free.put_nowait(process)


class _Process:
    """One of the processes, seen from outside. It is started by `async with`.

    Raises:
        MigrationError: It cannot be started.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    async def __aenter__(self) -> "_Process":
        # What this process imports is found where this one has found it, and nowhere else: not in the folder it is in.
        places = os.pathsep.join(place for place in sys.path if place)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", __name__),
                env={**os.environ, "PYTHONPATH": places},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # a terminal interrupts this process, which then ends the others
            )
        except OSError as error:
            raise MigrationError(f"a process that compares records cannot be started: {error}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._stdin.write(_message(self._job))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def compare(self, keys: Sequence[bytes]) -> Findings:
        try:
            self._stdin.write(_message(keys))
            await self._stdin.drain()
            found = await _receive(self._stdout)
        except (ConnectionError, EOFError):
            code = await self._process.wait()
            raise MigrationError(f"a process that compares records has ended with {code}; run it again") from None
        if isinstance(found, Exception):
            raise found
        return found


def _message(content: Any) -> bytes:
    body = pickle.dumps(content)
    return len(body).to_bytes(_LENGTH, "big") + body


async def _receive(reader: asyncio.StreamReader) -> Any:
    """Return the next message.

    Raises:
        EOFError: There is none any more.
    """
    length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
    return pickle.loads(await reader.readexactly(length))


async def _compare_what_comes() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    job: Job = await _receive(reader)
    async with aclosing(job.connect()) as redis:
        while True:
            found = await _compare(job, redis, await _receive(reader))
            sys.stdout.buffer.write(_message(found))
            sys.stdout.buffer.flush()


async def _compare(job: Job, redis: Redis, keys: Sequence[bytes]) -> Findings | Exception:
    comparison = job.comparison(redis)
    try:
        await comparison.page(keys)
    except Exception as error:  # told to who asked
        return error
    return comparison.findings


def main() -> None:
    try:
        asyncio.run(_compare_what_comes())
    except (EOFError, BrokenPipeError):
        sys.exit(0)


if __name__ == "__main__":
    main()
