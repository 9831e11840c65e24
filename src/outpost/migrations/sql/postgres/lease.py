"""The lock of a Postgres database: one row, changed by compare and set, and the original tool's advisory lock.

    take     advisory lock first: while the original tool works, nothing is written, not even the row
    beat     on a connection of its own each time, so that neither work nor a lost connection keeps it waiting
    release  the row first, so that nobody finds the advisory lock free and the row taken by nobody alive

Times are the server's.
"""

import contextlib
from typing import Any

from outpost.clients.postgres import Connection, PermissionDenied, TimedOut
from outpost.migrations.errors import Refused, Unreachable
from outpost.migrations.lease import Timings
from outpost.migrations.owner import Owner
from outpost.migrations.report import Holder, Progress
from outpost.migrations.sql.lease_row import LeaseRow, json_text, owner_text, steering_of
from outpost.migrations.sql.postgres.advisory import (
    AdvisoryLock,
    end_sessions,
    read_advisory_holder,
    session_name,
    sign,
)
from outpost.migrations.sql.postgres.books import create_books, has_books
from outpost.migrations.sql.postgres.database import Database
from outpost.migrations.sql.postgres.permissions import refuse_standby, refuse_without_permission
from outpost.migrations.steering import Steering, SteeringChange

_TAKE = """
UPDATE outpost_migration_lease
   SET token = $1, heartbeat_at = clock_timestamp(), owner = NULL, progress = NULL, steering = NULL
 WHERE token IS NULL OR token = $1 OR heartbeat_at < clock_timestamp() - make_interval(secs => $2)"""
_NO_BEAT_AHEAD = """
UPDATE outpost_migration_lease SET heartbeat_at = clock_timestamp() WHERE heartbeat_at > clock_timestamp()"""
_FREE = """
UPDATE outpost_migration_lease
   SET token = NULL, heartbeat_at = NULL, owner = NULL, progress = NULL, steering = NULL, fence = fence + $1
 WHERE token IS NOT DISTINCT FROM $2"""
_BEAT = """
UPDATE outpost_migration_lease SET heartbeat_at = clock_timestamp(), progress = $2 WHERE token = $1"""
_INTRODUCE = "UPDATE outpost_migration_lease SET owner = $1 WHERE token = $2"
_STEER = """
UPDATE outpost_migration_lease SET steering = (coalesce(steering, '{}')::jsonb || $1::jsonb)::text
 WHERE token IS NOT NULL
RETURNING steering"""
_READ = """
SELECT fence, token, owner, progress, steering,
       coalesce(extract(epoch FROM clock_timestamp() - heartbeat_at), 0)::float8 AS age
  FROM outpost_migration_lease"""

_TAKING_SECONDS = 10.0
"""Between the advisory lock and the row; a run that takes longer is not about to write the row."""


class PostgresLease:
    """A `LeaseStore`."""

    store = "postgres"

    def __init__(self, database: Database, timings: Timings) -> None:
        self._database = database
        self._timings = timings
        self._advisory: dict[str, AdvisoryLock] = {}

    @property
    def shared_sessions(self) -> bool:
        """Whether a pooler shares sessions, so that the original tool's lock could not be taken."""
        return any(lock.skipped for lock in self._advisory.values())

    async def take(self, token: str) -> bool:
        lock = self._advisory.get(token) or AdvisoryLock(self._database, token)
        if await self._is_held_by_another(token) or not await lock.take():
            return False
        self._advisory[token] = lock
        try:
            await self._write(_NO_BEAT_AHEAD)
            taken = await self._write(_TAKE, token, self._timings.stale) == 1
        except BaseException:
            await self._free_advisory(token)
            raise
        if not taken:
            await self._free_advisory(token)
        return taken

    async def fence(self) -> int:
        row = await self._read()
        return row.fence if row else 0

    async def raise_fence(self, fence: int) -> None:
        await self._write("UPDATE outpost_migration_lease SET fence = $1 WHERE fence < $1", fence)

    async def introduce(self, owner: Owner, fence: int) -> bool:
        text = owner_text(owner, fence)
        return await self._write(_INTRODUCE, text, owner.token) == 1

    async def beat(self, token: str, progress: Progress | None) -> Steering | None:
        await self._write(_BEAT, token, json_text(progress))
        row = await self._read()
        if row is None or row.token != token:
            return None
        lock = self._advisory.get(token)
        if lock is not None and not await lock.take():  # its connection was lost, and another tool was quicker
            return None
        return row.asked()

    async def release(self, token: str) -> None:
        try:
            if await self._read() is not None:
                await self._write(_FREE, 0, token)
        finally:
            await self._free_advisory(token)

    async def holder(self) -> Holder | None:
        async with self._database.reading() as connection:
            row = await _read_row(connection)
            foreign = await read_advisory_holder(connection, self._database)
        if row is not None and row.token is not None:
            return row.holder(self.store, self._timings)
        if foreign is None or foreign.sign:
            return None
        return Holder(store=self.store, foreign=True, host=foreign.address, pid=foreign.pid, user=foreign.user)

    async def revoke(self) -> Holder | None:
        holder = await self.holder()
        if holder is None:
            return None
        row = await self._read()
        if row is not None:
            await self._revoke(row.token)
        async with self._database.connected() as connection:
            held = await read_advisory_holder(connection, self._database)
            if held is not None:
                await self._end(connection, pid=held.pid, sign=held.sign)
        return holder

    async def _revoke(self, token: str | None) -> None:
        """Free the row, then end the sessions of who had it: so it finds out why they ended."""
        try:
            await self._write(_FREE, 1, token)
            freed = True
        except Unreachable:  # it was suspended in the moment of its commit, which keeps the row
            freed = False
        if token is not None:
            async with self._database.connected() as connection:
                await self._end(connection, sign=sign(token))
        if not freed:
            await self._write(_FREE, 1, token)

    async def steer(self, change: SteeringChange) -> Steering | None:
        async with self._database.reading() as connection:
            row = await _read_row(connection)
        if row is None or row.token is None:
            return None
        async with self._database.writing() as connection:
            text = await connection.fetchval(_STEER, json_text(change))
        return steering_of(text) if text else None

    async def is_held_by(self, token: str) -> bool:
        row = await self._read()
        return row is not None and row.token == token

    async def close(self) -> None:
        """Free what a run that was interrupted still holds."""
        for token in list(self._advisory):
            await self._free_advisory(token)

    async def _is_held_by_another(self, token: str) -> bool:
        """Say whether somebody else has the advisory lock.

        A run of ours that has it and not, or not any more, the row was evicted: its session is ended here, and with it
        whatever it was about to write.
        """
        async with self._database.connected() as connection:
            await refuse_standby(connection)
            held = await read_advisory_holder(connection, self._database)
            if held is None or held.sign == sign(token):
                return False
            if not held.sign:
                return True
            await self._write(_NO_BEAT_AHEAD)
            row = await _read_row(connection)
            if row is not None and row.token is not None and sign(row.token) == held.sign:
                evicted = row.heartbeat_age_seconds > self._timings.stale
            else:
                evicted = held.idle_seconds > _TAKING_SECONDS
            if not evicted:
                return True
            with contextlib.suppress(Refused):  # then it is waited for, like any other
                await self._end(connection, pid=held.pid, sign=held.sign)
        return False

    async def _end(self, connection: Connection, *, pid: int | None = None, sign: str) -> None:
        """End the sessions of an evicted run, so that its locks on tables are in nobody's way."""
        try:
            with self._database.translating(connection):
                await end_sessions(connection, pid=pid, sign=sign)
        except PermissionDenied:
            which = f"pid = {pid}" if pid is not None else f"application_name = '{session_name(sign)}'"
            raise Refused(
                "a session that holds the lock is another user's and not ours to end; as a superuser run: "
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}"
            ) from None
        except TimedOut:
            raise Unreachable("a session that holds the lock was told to end and goes on; run it again") from None

    async def _free_advisory(self, token: str) -> None:
        lock = self._advisory.pop(token, None)
        if lock is not None:
            with contextlib.suppress(Unreachable):
                await lock.free()

    async def _read(self) -> LeaseRow | None:
        async with self._database.reading() as connection:
            return await _read_row(connection)

    async def _write(self, statement: str, *parameters: Any) -> int:
        """Run one statement in a transaction of its own, if need be on new tables; return how many rows it changed."""
        async with self._database.writing() as connection:
            if not await has_books(connection):
                await refuse_without_permission(connection)
                await create_books(connection)
            tag = await connection.execute(statement, *parameters)
        return int(tag.rpartition(" ")[2])


async def _read_row(connection: Connection) -> LeaseRow | None:
    """Return the lease as it lies in the database; None while there is no table."""
    row = await connection.fetchrow(_READ) if await has_books(connection) else None
    if row is None:
        return None
    return LeaseRow(
        fence=row["fence"],
        token=row["token"],
        heartbeat_age_seconds=max(row["age"], 0.0) if row["token"] else 0.0,
        owner=row["owner"],
        progress=row["progress"],
        steering=row["steering"],
    )
