"""Running one script: part by part, each committed together with how far it has come.

    pending ──first part──▶ begun ──batches, more parts──▶ applied
                              │
                              └─ killed anywhere: the next run goes on after the last committed part or batch

A script of one part goes from pending to applied in one transaction.
"""

import asyncio
import time
from datetime import datetime
from functools import partial

from outpost.clients.postgres import PostgresError, TimedOut, TransactionAborted, Unavailable
from outpost.migrations.errors import DecisionNeeded, MigrationError
from outpost.migrations.failpoints import failpoint
from outpost.migrations.report import Progress
from outpost.migrations.sql.postgres import ahead, books, estimates
from outpost.migrations.sql.postgres.advisory import pooled
from outpost.migrations.sql.postgres.ahead import Leaf
from outpost.migrations.sql.postgres.books import Place
from outpost.migrations.sql.postgres.parts import Batches, Part, parts_of
from outpost.migrations.sql.postgres.replicas import Replicas
from outpost.migrations.sql.postgres.session import Session
from outpost.migrations.sql.postgres.shape import drift, read_shape, shapes
from outpost.migrations.sql.script import Script, Statement
from outpost.migrations.throttle import Pace

_FIRST = (datetime.min, "")  # noqa: DTZ901 - asyncpg's way to say -infinity
_LAST = (datetime.max, "")  # noqa: DTZ901 - infinity; no row can have it and an id below ''
_WINDOW = """
WITH next AS (SELECT time, id FROM {table} WHERE (time, id) > ($1, $2) ORDER BY time, id LIMIT $3)
SELECT time, id, (SELECT count(*) FROM next) AS count FROM next ORDER BY time DESC, id DESC LIMIT 1"""
_BATCH_SECONDS = 15.0
_USUAL_MS = 200.0
"""Of one batch: so long may somebody wait who wants one of its rows."""
_FEWEST, _MOST = 20, 10_000


class Work:
    """One script on its way."""

    def __init__(self, session: Session, script: Script, *, large_bytes: int, ahead_bytes: int) -> None:
        self._session = session
        self._connection = session.connection
        self._run = session.run
        self._script = script
        self._large_bytes = large_bytes
        self._ahead_bytes = ahead_bytes
        self._replicas = Replicas()

    async def run(self) -> None:
        place = await books.read_place(self._connection, self._script)
        if place is None and not self._run.limits.allow_blocking:
            await estimates.refuse_long_locks(self._connection, self._script, above_bytes=self._large_bytes)
        for part in parts_of(self._script):
            if place is not None and part.number < place.done:
                continue
            await self._wait_for_replicas()
            if isinstance(part, Batches):
                assert place is not None, "the part before it has begun the script"
                place = await self._run_batches(part, place)
            else:
                await self._build_ahead(part)
                place = await self._session.patiently(self._script.id, partial(self._run_part, part, place))
                if place is None:
                    return

    async def _build_ahead(self, part: Part) -> None:
        """Build the indexes of large tables that a part needs, so that its transaction finds them."""
        if not part.ahead or await pooled(self._connection):  # whose sessions must not be given our settings
            return
        await self._connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        for wanted in part.ahead.values():
            for leaf in await ahead.leaves(self._connection, wanted, above_bytes=self._ahead_bytes):
                await books.refuse_older_fence(self._connection, self._run, until_commit=False)
                text = f"builds an index of {leaf.table} {leaf.how}; reading and writing go on"
                self._run.tell("building", store="postgres", migration=self._script.id, text=text)
                await self._session.patiently(self._script.id, partial(self._build, leaf))
                failpoint("postgres.after_index")

    async def _build(self, leaf: Leaf) -> None:
        with self._session.database.translating(self._connection):
            await ahead.build(self._connection, leaf)

    async def _run_part(self, part: Part, place: Place | None) -> Place | None:
        """Return how far the script is; None if it turned out to be applied already."""
        started = time.monotonic()
        limit = 0 if self._run.limits.allow_blocking else self._session.patience.statement
        async with self._session.transaction(statement_seconds=limit):
            if place is None:
                if not await self._begin():
                    return None
                place = Place()
            kept = dict(place.kept)
            for number, statement in enumerate(part.statements, start=part.number):
                failpoint("postgres.statement")
                await self._execute(statement, kept)
                if number in part.ahead:
                    await ahead.name_attached(self._connection, part.ahead[number])
                if "sweep" in statement.directives:
                    for batches in part.sweeps:
                        await self._execute(batches.statement, kept, *_FIRST, *_LAST)
            place = Place(done=part.number + len(part.statements), kept=kept)
            milliseconds = int((time.monotonic() - started) * 1000)
            await books.advance(self._connection, self._script, self._run, place, milliseconds)
            if place.done == len(self._script.statements):
                await books.finish(self._connection, self._script)
        return place

    async def _begin(self) -> bool:
        """Record the script as begun; return False if the tables show that it is applied already."""
        number, address = self._script.number, self._session.database.address
        applied = False
        if number < len(shapes()):
            found = await read_shape(self._connection)
            applied = drift(found, number).fits
            if not applied and not (before := drift(found, number - 1)).fits:
                differences = "; ".join(before.sentences())
                raise DecisionNeeded(
                    f"{self._script.file} cannot be applied to {address}: its tables are not those of {number - 1:06d} "
                    f"({differences[:600]}); bring them into that shape, or restore a backup. Nothing "
                    "was changed"
                )
        await books.begin(self._connection, self._script, self._run)
        if applied:
            done = Place(done=len(self._script.statements))
            await books.advance(self._connection, self._script, self._run, done, 0)
            await books.finish(self._connection, self._script)
        return not applied

    async def _run_batches(self, batches: Batches, place: Place) -> Place:
        total = await estimates.table_rows(self._connection, batches.table)
        started = told = time.monotonic()
        pace = Pace(self._run.limits, first=batches.size, fewest=_FEWEST, most=_MOST)
        seen = 0
        cursor: tuple[object, str] | None = place.cursor or _FIRST
        while cursor is not None:
            throttled = await self._wait_for_replicas()
            await self._run.ready()
            began = time.monotonic()
            try:
                place, count = await self._session.patiently(
                    self._script.id, partial(self._run_batch, batches, place, pace.rows)
                )
            except TimedOut:
                if not pace.gave_up():
                    raise
                continue
            cursor = place.cursor
            took_ms = (time.monotonic() - began) * 1000
            seen += count
            if time.monotonic() - told > 1 or throttled or cursor is None:
                told = time.monotonic()
                self._run.report(
                    Progress(
                        store="postgres",
                        migration=self._script.id,
                        done=seen,
                        total=total,
                        per_second=seen / max(told - started, 1e-3),
                        batch=pace.rows,
                        server_ms=took_ms,
                        throttled=throttled,
                    )
                )
            if cursor is not None:
                pace.observe(took_ms, asked_ms=self._run.asked_latency_ms, usual_ms=_USUAL_MS)
                await asyncio.sleep(pace.rest_seconds)
        return place

    async def _run_batch(self, batches: Batches, place: Place, size: int) -> tuple[Place, int]:
        """Do the next `size` rows and record the last of them, or that there are none."""
        started = time.monotonic()
        first = place.cursor or _FIRST
        async with self._session.transaction(statement_seconds=_BATCH_SECONDS):
            last = await self._connection.fetchrow(_WINDOW.format(table=batches.table), *first, size)
            kept = dict(place.kept)
            if last is not None:
                await self._execute(batches.statement, kept, *first, last["time"], last["id"], within_part=False)
                place = Place(done=batches.number, cursor=(last["time"], last["id"]), kept=kept)
            else:
                place = Place(done=batches.number + 1, kept=kept)
            milliseconds = int((time.monotonic() - started) * 1000)
            await books.advance(self._connection, self._script, self._run, place, milliseconds)
        failpoint("postgres.batch")
        return place, last["count"] if last is not None else 0

    async def _execute(
        self, statement: Statement, kept: dict[str, int], *window: object, within_part: bool = True
    ) -> None:
        """Run a statement; where it moves rows aside, add their number to what is kept."""
        try:
            with self._session.database.translating(self._connection):
                tag = await self._connection.execute(statement.text, *window)
        except TimedOut as error:
            if not within_part:  # a smaller batch may end in time
                raise
            raise self._located(statement, error) from None
        except (Unavailable, TransactionAborted):
            raise
        except PostgresError as error:
            raise self._located(statement, error) from None
        table = statement.directives.get("keeps", "")
        if tag.startswith("INSERT ") and table:
            kept[table] = kept.get(table, 0) + int(tag.rpartition(" ")[2])

    def _located(self, statement: Statement, error: PostgresError) -> MigrationError:
        before = statement.text[: (error.position or 1) - 1]
        line = statement.line + before.count("\n")
        column = len(before) - (before.rfind("\n") + 1) + 1
        return MigrationError(
            f"{self._script.file}, line {line}, column {column}: {error.detail or error.sentence} [{error.sqlstate}]; "
            "what this transaction did was rolled back, what was committed before is kept. Run: outpost migrate apply"
        )

    async def _wait_for_replicas(self) -> str:
        """Wait while a replica is too far behind; return what was waited for."""
        limit = self._run.limits.max_replica_lag_seconds
        throttled = ""
        while (lag := await self._replicas.lag_seconds(self._connection)) > limit:
            if not throttled:
                throttled = f"a replica is {lag:.1f} s behind"
                self._run.tell("throttled", store="postgres", migration=self._script.id, reason=throttled)
            await self._run.ready()
            await asyncio.sleep(0.2)
        return throttled
