"""The lock of a SQLite file: one row, changed in `BEGIN IMMEDIATE` transactions."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

from outpost.migrations.errors import Unreachable
from outpost.migrations.lease import Timings
from outpost.migrations.owner import Owner
from outpost.migrations.report import Holder, Progress
from outpost.migrations.sql.lease_row import LeaseRow, json_text, owner_text, steering_of
from outpost.migrations.sql.sqlite.files import LocalFile
from outpost.migrations.steering import Steering, SteeringChange

_TAKE = """
UPDATE outpost_migration_lease
   SET token = ?, heartbeat_at = ?, owner = NULL, progress = NULL, steering = NULL
 WHERE token IS NULL OR token = ? OR heartbeat_at < ?"""
_NO_BEAT_AHEAD = "UPDATE outpost_migration_lease SET heartbeat_at = ? WHERE heartbeat_at > ?"
_FREE = """
UPDATE outpost_migration_lease
   SET token = NULL, heartbeat_at = NULL, owner = NULL, progress = NULL, steering = NULL, fence = fence + ?
 WHERE token = ? OR ? IS NULL"""
_BEAT = "UPDATE outpost_migration_lease SET heartbeat_at = ?, progress = ? WHERE token = ?"
_STEER = """
UPDATE outpost_migration_lease SET steering = json_patch(coalesce(steering, '{}'), ?)
 WHERE token IS NOT NULL
RETURNING steering"""
_READ = "SELECT fence, token, heartbeat_at, owner, progress, steering FROM outpost_migration_lease"


class SQLiteLease:
    """A `LeaseStore`. Times are this machine's, the only one that can use the file."""

    store = "sqlite"

    def __init__(self, file: LocalFile, prepare: Callable[[sqlite3.Connection], None], timings: Timings) -> None:
        """Args:
        prepare: Creates the table of the lease if it is missing.
        """
        self._file = file
        self._prepare = prepare
        self._timings = timings

    async def take(self, token: str) -> bool:
        now = time.time()
        await self._write(_NO_BEAT_AHEAD, now, now)
        return await self._write(_TAKE, token, now, token, now - self._timings.stale) == 1

    async def fence(self) -> int:
        row = await self._read()
        return row.fence if row else 0

    async def raise_fence(self, fence: int) -> None:
        await self._write("UPDATE outpost_migration_lease SET fence = max(fence, ?)", fence)

    async def introduce(self, owner: Owner, fence: int) -> bool:
        text = owner_text(owner, fence)
        return await self._write("UPDATE outpost_migration_lease SET owner = ? WHERE token = ?", text, owner.token) == 1

    async def beat(self, token: str, progress: Progress | None) -> Steering | None:
        # The run itself may hold the file's write lock in a long transaction; while it does, nobody can take over.
        with contextlib.suppress(Unreachable):
            await self._write(_BEAT, time.time(), json_text(progress), token)
        row = await self._read()
        return row.asked() if row and row.token == token else None

    async def release(self, token: str) -> None:
        await self._write(_FREE, 0, token, token)

    async def holder(self) -> Holder | None:
        row = await self._read()
        return row.holder(self.store, self._timings) if row else None

    async def revoke(self) -> Holder | None:
        holder = await self.holder()
        if holder is not None:
            await self._write(_FREE, 1, None, None)
        return holder

    async def steer(self, change: SteeringChange) -> Steering | None:
        if await self.holder() is None:
            return None
        rows = await self._changing(_STEER, json_text(change))
        return steering_of(rows[0][0]) if rows else None

    async def _read(self) -> LeaseRow | None:
        """Return the lease as it lies in the file; None while there is no file or no table."""
        return await asyncio.to_thread(self._read_now)

    def _read_now(self) -> LeaseRow | None:
        if not self._file.exists():
            return None
        with self._file.reading() as connection:
            if not self._file.has_table(connection, "outpost_migration_lease"):
                return None
            fence, token, heartbeat_at, owner, progress, steering = connection.execute(_READ).fetchone()
        age = max(time.time() - (heartbeat_at or 0), 0.0)
        return LeaseRow(
            fence=fence,
            token=token,
            heartbeat_age_seconds=age if token else 0.0,
            owner=owner,
            progress=progress,
            steering=steering,
        )

    async def _write(self, statement: str, *parameters: Any) -> int:
        """Run one statement in a transaction of its own and return how many rows it changed."""
        changed, _ = await asyncio.to_thread(self._write_now, statement, parameters)
        return changed

    async def _changing(self, statement: str, *parameters: Any) -> list[Any]:
        """Run one statement in a transaction of its own and return the rows that it returns."""
        _, rows = await asyncio.to_thread(self._write_now, statement, parameters)
        return rows

    def _write_now(self, statement: str, parameters: Sequence[Any]) -> tuple[int, list[Any]]:
        with self._file.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._prepare(connection)
            cursor = connection.execute(statement, parameters)
            rows = cursor.fetchall()
            connection.execute("COMMIT")
            return cursor.rowcount, rows
