"""The connection of a run: transactions that wait for nobody for long, tried again until others are out of the way."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from outpost.clients.postgres import Connection, TransactionAborted
from outpost.migrations.errors import MigrationError
from outpost.migrations.failpoints import failpoint
from outpost.migrations.run import Run
from outpost.migrations.sql.postgres import books
from outpost.migrations.sql.postgres.advisory import session_name, sign
from outpost.migrations.sql.postgres.blockers import Blocker, watched
from outpost.migrations.sql.postgres.database import Database

_T = TypeVar("_T")
_CHECKS_ITS_CLIENT = 140000  # client_connection_check_interval: a killed run's statement ends soon


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for others, in seconds; tests shorten it.

    Attributes:
        lock: For one lock, before all locks are released and tried again.
        pause: Before the first new try; doubles up to `longest_pause`.
        give_up: For all tries of one part together.
        statement: For one statement that was not allowed to block for long.
    """

    lock: float = 5.0
    pause: float = 1.0
    longest_pause: float = 15.0
    give_up: float = 600.0
    statement: float = 600.0


class Session:
    """The connection on which a run changes tables."""

    def __init__(self, database: Database, connection: Connection, run: Run, patience: Patience) -> None:
        self.database = database
        self.connection = connection
        self.run = run
        self.patience = patience
        self._blockers: list[Blocker] = []

    @asynccontextmanager
    async def transaction(self, *, statement_seconds: float) -> AsyncGenerator[None]:
        """Commits only if no newer run has begun.

        Args:
            statement_seconds: For each statement; 0 is as long as it takes.

        Raises:
            LeaseLost: A newer run has begun; nothing was committed.
            TransactionAborted: A lock was not to be had in time; nothing was committed.
        """
        connection = self.connection
        with self.database.translating(connection):
            async with connection.transaction():
                pid = await self._limit(statement_seconds)
                await books.refuse_older_fence(connection, self.run, until_commit=False)
                async with watched(self.database, pid, every=min(self.patience.lock / 5, 1.0)) as self._blockers:
                    yield
                self.run.check()
                await books.refuse_older_fence(connection, self.run, until_commit=True)
                failpoint("postgres.before_commit")
        failpoint("postgres.after_commit")

    async def _limit(self, statement_seconds: float) -> int:
        """Bound what the transaction waits for; return the number by which the server calls its session."""
        row = await self.connection.fetchrow(
            "SELECT pg_backend_pid() AS pid, current_setting('server_version_num')::int AS version"
        )
        assert row is not None
        limits = [
            f"SET LOCAL lock_timeout = {int(self.patience.lock * 1000)}",
            f"SET LOCAL statement_timeout = {int(statement_seconds * 1000)}",
            "SET LOCAL idle_in_transaction_session_timeout = '60s'",
        ]
        if row["version"] >= _CHECKS_ITS_CLIENT:
            limits.append("SET LOCAL client_connection_check_interval = '5s'")
        await self.connection.execute("; ".join(limits))
        return row["pid"]

    async def patiently(self, migration: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do `work`, a transaction, again from its beginning whenever others' locks kept it from its end.

        Raises:
            MigrationError: They did not go away; names who holds them.
        """
        give_up_at = time.monotonic() + self.patience.give_up
        pause = self.patience.pause
        while True:
            await self.run.ready()
            try:
                return await work()
            except TransactionAborted as error:
                blockers = "; ".join(map(str, self._blockers)) or "unknown"
                text = f"{migration} waits for a lock, blocked by {blockers}"
                if time.monotonic() > give_up_at:
                    raise MigrationError(
                        f"{text} ({error.detail}); nothing of this step is applied. End that session, then run: "
                        "outpost migrate apply"
                    ) from None
            self.run.tell("warning", store="postgres", migration=migration, reason=text)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, self.patience.longest_pause)


@asynccontextmanager
async def working_session(database: Database, run: Run, patience: Patience) -> AsyncGenerator[Session]:
    async with database.connected(session_name(sign(run.owner.token))) as connection:
        yield Session(database, connection, run, patience)
