"""Databases in the state of some version, and what is asked of them."""

import asyncio
import gzip
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from outpost.clients.postgres import Target, connect
from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.errors import MigrationError
from outpost.migrations.lease import Timings
from outpost.migrations.run import Event, Limits
from outpost.migrations.sql.line import SqlLine
from outpost.migrations.sql.postgres import session, work
from outpost.migrations.sql.postgres.database import Database
from outpost.migrations.sql.postgres.dialect import PostgresDialect, postgres_scripts
from outpost.migrations.sql.postgres.estimates import AHEAD_BYTES, LARGE_BYTES
from outpost.migrations.sql.postgres.session import Patience
from outpost.migrations.sql.postgres.shape import read_shape
from outpost.migrations.sql.script import Script
from tests.support.servers import server_program

SNAPSHOTS = Path(__file__).parent / "snapshots"
QUICK = Timings(heartbeat=2, poll=0.05)
HASTY = Patience(lock=0.5, pause=0.05, longest_pause=0.2, give_up=30)


class PostgresDatabase:
    """One database of one test.

    Attributes:
        events: What the runs of `coordinator` have told.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.target = Target.parse(url)
        self.events: list[Event] = []
        self._told = asyncio.Event()

    def line(
        self,
        *,
        scripts: Sequence[Script] | None = None,
        url: str = "",
        patience: Patience = HASTY,
        large_bytes: int = LARGE_BYTES,
        ahead_bytes: int = AHEAD_BYTES,
    ) -> SqlLine:
        target = Target.parse(url) if url else self.target
        dialect = PostgresDialect(
            Database(target), QUICK, patience=patience, large_bytes=large_bytes, ahead_bytes=ahead_bytes
        )
        return SqlLine(dialect, scripts or postgres_scripts())

    def coordinator(self, **options: Any) -> Coordinator:
        return Coordinator([self.line(**options)], observe=self._observe, timings=QUICK)

    def _observe(self, event: Event) -> None:
        self.events.append(event)
        self._told.set()

    async def told(self, name: str) -> Event:
        """Wait until a run tells an event of this name, and return the first."""
        async with asyncio.timeout(20):
            while not (found := [event for event in self.events if event.event == name]):
                self._told.clear()
                await self._told.wait()
        return found[0]

    async def apply(self, until: int | None = None, *, limits: Limits | None = None, **options: Any) -> list[str]:
        """Apply what is pending, up to a number; return the ids."""
        name = None if until is None else postgres_scripts()[until - 1].id
        async with self.coordinator(**options) as coordinator:
            applied = await coordinator.apply(ApplyRequest(until=name, limits=limits or Limits()))
        return [state.id for state in applied.steps]

    async def apply_until(self, place: str, passed: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        """Apply until a named place is passed for the n-th time, and fail there."""
        left = passed

        def fail(name: str) -> None:
            nonlocal left
            left -= name == place
            if name == place and left == 0:
                raise MigrationError(f"stopped at {place}")

        with monkeypatch.context() as patch:
            for module in (session, work):
                patch.setattr(module, "failpoint", fail)
            with pytest.raises(MigrationError, match="stopped at"):
                await self.apply(**options)

    async def execute(self, *statements: str) -> None:
        async with connect(self.target, application="test") as connection:
            for statement in statements:
                await connection.execute(statement)

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        async with connect(self.target, application="test") as connection:
            return [tuple(row.values()) for row in await connection.fetch(query, *arguments)]

    async def value(self, query: str, *arguments: Any) -> Any:
        return (await self.rows(query, *arguments))[0][0]

    async def shape(self) -> frozenset[str]:
        async with connect(self.target, application="test") as connection:
            return await read_shape(connection)

    async def load(self, name: str) -> None:
        """Load a snapshot into the empty database."""
        await self.execute(gzip.decompress((SNAPSHOTS / f"{name}.sql.gz").read_bytes()).decode())

    async def records(self, table: str, order: str = "time, id") -> list[Mapping[str, Any]]:
        """Return all rows of a table with the names of their columns."""
        rows = await self.rows(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY {order}")
        return [json.loads(row) for (row,) in rows]

    async def as_the_reference_left_it(self, version: int) -> None:
        """Bring the empty database to a version and remove every trace of this tool."""
        await self.apply(version)
        await self.forget()

    async def forget(self) -> None:
        await self.execute(
            "DROP TABLE outpost_migrations, outpost_migration_runs, outpost_migration_lease",
            "DROP TABLE IF EXISTS outpost_kept_orphan_deliveries, outpost_kept_event_destinations, "
            "outpost_kept_event_delivery_index",
        )

    def dump(self) -> str:
        """Return the schema as `pg_dump` writes it, without the tables of this tool."""
        program = server_program("pg_dump", "/usr/lib/postgresql/*/bin/pg_dump")
        ran = subprocess.run(
            [program, "--schema-only", "--no-owner", "--exclude-table=outpost_*", "--dbname", self.url],
            capture_output=True,
            text=True,
            check=True,
        )
        return without_comments(ran.stdout)


def without_comments(dump: str) -> str:
    """Return the statements of a dump: versions and names of machines stand in comments and commands of psql."""
    lines = [line for line in dump.splitlines() if line and not line.startswith(("--", "\\"))]
    return "\n".join(lines)
