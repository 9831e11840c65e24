"""A run that stands still: a process that is suspended at a failpoint, for things to happen to it meanwhile."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.migrations.redis.outcomes import APPLY, failing_at
from tests.support.process import OutpostProcess
from tests.support.redis_store import RedisStore


@dataclass(frozen=True)
class StandingRun:
    """A suspended `outpost migrate apply`."""

    pid: int
    ending: asyncio.Task[tuple[int, str, str]]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, which it sees when it wakes."""
        os.kill(self.pid, number)

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def ended(self) -> tuple[int, str, str]:
        """Wake it, wait for its end, and return exit code, standard output and standard error."""
        self.wake()
        return await self.ending


@asynccontextmanager
async def standing_run(
    store: RedisStore,
    outpost: OutpostProcess,
    place: str,
    *arguments: str,
    on_hangup: signal.Handlers = signal.SIG_DFL,
) -> AsyncGenerator[StandingRun]:
    """Yield a run that holds the lock and stands still at a failpoint; it is killed at the end if it still runs.

    Args:
        on_hangup: What whoever starts it has told it to do on SIGHUP.
    """
    hangup = partial(signal.signal, signal.SIGHUP, on_hangup)
    ending = asyncio.create_task(outpost.run(*APPLY, *arguments, limits=hangup, **failing_at(place, "stop")))
    pid = 0
    try:
        pid = await _pid_of_holder(store, ending)
        async with asyncio.timeout(60):
            while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                await asyncio.sleep(0.02)
        yield StandingRun(pid, ending)
    finally:
        if pid and not ending.done():
            os.kill(pid, signal.SIGKILL)
        await asyncio.gather(ending, return_exceptions=True)


async def _pid_of_holder(store: RedisStore, ending: asyncio.Task[tuple[int, str, str]]) -> int:
    """Wait until a run has introduced itself, and return its process number."""
    async with asyncio.timeout(60), store.coordinator() as coordinator:
        while True:
            assert not ending.done(), ending.result()
            (status,) = (await coordinator.status()).lines
            if status.holder is not None and status.holder.pid:
                return status.holder.pid
            await asyncio.sleep(0.05)
