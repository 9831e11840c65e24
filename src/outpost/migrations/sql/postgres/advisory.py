"""The lock of the original tool: a session-level advisory lock of the server, held by a connection of its own.

It is only ever tried, never waited for. Each holder of ours is known by the name of its session, so that one which was
evicted (its lease is another's now) can be ended, and what it was doing with it.
"""

import asyncio
import hashlib
import zlib
from contextlib import AsyncExitStack

import msgspec

from outpost.clients.postgres import Connection
from outpost.migrations.sql.postgres.database import APPLICATION, Database

_TRY = "SELECT pg_try_advisory_lock($1)"
_HOLDER = """
SELECT a.pid, a.application_name, a.client_addr::text AS address, a.usename::text AS user_name,
       coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0)::float8 AS idle_seconds
  FROM pg_locks AS l
  JOIN pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.classid::bigint = $1::bigint >> 32 AND l.objid::bigint = $1::bigint & 4294967295"""


_SESSIONS = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND (pid = $1 OR application_name = ANY ($2))"""
_ENDING_SECONDS = 5.0


class AdvisoryHolder(msgspec.Struct, frozen=True, kw_only=True):
    """A session that holds the lock.

    Attributes:
        sign: Who it is if it is one of ours; else empty.
        idle_seconds: Since its last statement; nothing if that is not ours to see.
    """

    pid: int
    address: str
    user: str
    sign: str = ""
    idle_seconds: float = 0.0


def lock_id(schema: str, path: str) -> int:
    """Return the number of the lock.

    golang-migrate, database/util.go, GenerateAdvisoryLockId: CRC-32 of schema, table and database, times a constant.
    """
    text = "\0".join((schema, "schema_migrations", path))
    return zlib.crc32(text.encode()) * 1486364155 & 0xFFFFFFFF


def sign(token: str) -> str:
    """Return what may be shown of a token: who reads the list of sessions must not be able to act as its owner."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def session_name(sign: str) -> str:
    """Return how the sessions of a run are named in the server's list."""
    return f"{APPLICATION} {sign}"


async def pooled(connection: Connection) -> bool:
    """Say whether something shares sessions between us and the server: then a session holds nothing for us.

    A pooler answers the start of a connection itself, with a process number of its own making.
    """
    return connection.get_server_pid() != await connection.fetchval("SELECT pg_backend_pid()")


async def number_of(connection: Connection, database: Database) -> int:
    return lock_id(await connection.fetchval("SELECT current_schema()::text") or "", database.path)


async def read_advisory_holder(connection: Connection, database: Database) -> AdvisoryHolder | None:
    """Return who holds the lock now, without touching it."""
    row = await connection.fetchrow(_HOLDER, await number_of(connection, database))
    if row is None:
        return None
    name, _, their_sign = str(row["application_name"] or "").rpartition(" ")
    return AdvisoryHolder(
        pid=row["pid"],
        address=row["address"] or "",
        user=row["user_name"] or "",
        sign=their_sign if name == APPLICATION else "",
        idle_seconds=row["idle_seconds"],
    )


class AdvisoryLock:
    """The lock as one run holds it."""

    def __init__(self, database: Database, token: str) -> None:
        self._database = database
        self._name = session_name(sign(token))
        self._stack = AsyncExitStack()
        self._connection: Connection | None = None
        self.skipped = False

    async def take(self) -> bool:
        """Take the lock if it is free; say whether it is ours, or need not be because sessions are shared."""
        if self.skipped or (self._connection is not None and not self._connection.is_closed()):
            return True
        await self.free()
        connection = await self._stack.enter_async_context(self._database.connected(self._name))
        if await pooled(connection):
            self.skipped = True
            await self.free()
            return True
        if await connection.fetchval(_TRY, await number_of(connection, self._database)):
            self._connection = connection
            return True
        await self.free()
        return False

    async def free(self) -> None:
        """Free the lock by closing its connection."""
        stack, self._stack, self._connection = self._stack, AsyncExitStack(), None
        await stack.aclose()


async def end_sessions(connection: Connection, *, pid: int | None = None, sign: str = "") -> None:
    """End a session, or all those of one of our runs, and wait a moment until their locks are free.

    Raises:
        PermissionDenied: One is another user's.
        TimeoutError: One has been told and goes on.
    """
    names = [session_name(sign)] if sign else []
    await connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({_SESSIONS}) AS found", pid, names)
    async with asyncio.timeout(_ENDING_SECONDS):
        while await connection.fetch(_SESSIONS, pid, names):  # noqa: ASYNC110 - sessions send no events
            await asyncio.sleep(0.02)
