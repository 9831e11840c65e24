"""`outpost serve` on Redis, RabbitMQ and Postgres."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.process import OutpostProcess, running_outpost


@asynccontextmanager
async def running_distributed(
    folder: Path, stores: Mapping[str, str], **settings: str
) -> AsyncIterator[OutpostProcess]:
    """A migrated and started Outpost, which is ended at the end with all its processes."""
    async with running_outpost(folder, **stores, **settings) as outpost:
        try:
            yield outpost
        finally:
            if outpost.process.returncode is None:
                await outpost.terminate()


def pids(outpost: OutpostProcess) -> list[int]:
    """Return the process ids that were ever started under a supervisor, oldest first."""
    started = re.findall(r'"msg":"process started".*?"pid":(\d+)', outpost.log.read_text())
    return [int(pid) for pid in started]
