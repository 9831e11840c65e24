"""Who keeps a statement waiting for a lock."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec

from outpost.migrations.errors import MigrationError
from outpost.migrations.sql.postgres.database import Database

_BLOCKERS = """
SELECT pid, usename::text AS user_name, application_name, state, left(query, 200) AS query,
       coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 AS seconds
  FROM pg_stat_activity
 WHERE pid = ANY (pg_blocking_pids($1))"""


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    """A session whose locks are in the way.

    Attributes:
        query: What it runs, or ran last; empty if that is not ours to see.
        seconds: Age of its transaction.
    """

    pid: int
    user: str
    application: str
    state: str
    query: str
    seconds: float

    def __str__(self) -> str:
        who = " ".join(part for part in (self.user, self.application) if part)
        return f"pid {self.pid} ({who}, {self.state}, transaction {self.seconds:.0f} s old): {self.query}".rstrip(": ")


@asynccontextmanager
async def watched(database: Database, pid: int, *, every: float) -> AsyncGenerator[list[Blocker]]:
    """Keep, for the length of the block, who was last seen to block the session `pid`.

    The list is filled from a connection of its own, opened only if the block takes longer than `every` seconds.
    """
    seen: list[Blocker] = []
    task = asyncio.create_task(_watch(database, pid, seen, every))
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _watch(database: Database, pid: int, seen: list[Blocker], every: float) -> None:
    await asyncio.sleep(every)
    with contextlib.suppress(MigrationError):  # names are a courtesy
        async with database.connected() as connection:
            while True:
                rows = await connection.fetch(_BLOCKERS, pid)
                if rows:
                    seen[:] = [
                        Blocker(
                            pid=row["pid"],
                            user=row["user_name"] or "",
                            application=row["application_name"] or "",
                            state=row["state"] or "unknown",
                            query=" ".join((row["query"] or "").split()),
                            seconds=row["seconds"],
                        )
                        for row in rows
                    ]
                await asyncio.sleep(every)
