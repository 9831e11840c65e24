"""Statements that move data: in windows of time, each remembered, until a whole pass finds nothing to do.

A statement `INSERT INTO ... SELECT ...` with the directive `windows <table>.<column>` selects only what is missing,
from rows whose `column` lies after {after:Int64} and up to {until:Int64} (milliseconds). So the same SELECT counts
what is left, a window may be repeated at will, and rows that others wrote meanwhile are found by the next pass.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from outpost.migrations.errors import MigrationError
from outpost.migrations.failpoints import failpoint
from outpost.migrations.report import Progress
from outpost.migrations.run import Run
from outpost.migrations.sql.clickhouse.names import Names
from outpost.migrations.sql.clickhouse.server import Server
from outpost.migrations.sql.clickhouse.statements import StatementRunner
from outpost.migrations.sql.script import Script, Statement
from outpost.migrations.throttle import Pace

Remember = Callable[[int | None], Awaitable[None]]
"""Stores how far a pass is: the end of the last window that is done, None at the start of a pass."""

ROWS = 20_000
"""Rows of a window at most: some tens of megabytes, a fraction of a second."""
_FEWEST = 500
_USUAL_MS = 1_000.0
"""Of one window: each makes new parts, so that many short ones cost more than a few long ones."""
_BEFORE_ALL_TIME = -9_223_372_036_854  # in milliseconds; the column's range begins in 1900
_INTO = re.compile(r"INSERT INTO \S+ \([^)]*\)\s*(?=SELECT)")
_PASSES_AT_MOST = 20
_SECONDS = 600.0


class _Window(msgspec.Struct, frozen=True):
    rows: int
    until: int


class _Count(msgspec.Struct, frozen=True):
    count: int


class WindowedStatement:
    """One such statement on the tables of a deployment."""

    def __init__(self, statement: Statement, script: Script, server: Server, names: Names) -> None:
        table, _, column = statement.directives["windows"].partition(".")
        self._statement = statement
        self._script = script
        self._server = server
        self._next = (
            f"SELECT count() AS rows, toUnixTimestamp64Milli(max({column})) AS until FROM (SELECT {column} "
            f"FROM {names.quoted(table)} WHERE {column} > fromUnixTimestamp64Milli({{after:Int64}}) "
            f"ORDER BY {column} LIMIT {{rows:UInt64}})"
        )
        self._total = f"SELECT count() AS count FROM {names.quoted(table)}"
        self._left = f"SELECT count() AS count FROM ({_INTO.sub('', statement.text, count=1)})"

    async def run(self, runner: StatementRunner, run: Run, *, cursor: int | None, remember: Remember) -> None:
        """Do what is left, from the window after `cursor`.

        Raises:
            MigrationError: Among others: rows go on being written faster than they are moved.
        """
        for _ in range(_PASSES_AT_MOST):
            moved = await self._pass(runner, run, cursor, remember)
            if not moved and cursor is None:
                return
            cursor = None
            await remember(None)
        raise MigrationError(
            f"{self._script.file}, line {self._statement.line}: after {_PASSES_AT_MOST} passes rows are still written; "
            "stop the servers of the old version, then run again: outpost migrate apply"
        )

    async def _pass(self, runner: StatementRunner, run: Run, cursor: int | None, remember: Remember) -> int:
        total = await self._count(self._total, {})
        pace = Pace(run.limits, first=ROWS, fewest=_FEWEST, most=ROWS)
        seen = moved = 0
        started = time.monotonic()
        async for window, rows in self._windows(cursor, pace):
            sent_at = time.monotonic()
            if left := await self._count(self._left, window):
                await runner.backlog.replicas_caught_up(run, migration=self._script.id)
                failpoint("clickhouse.before_window")
                await runner.run(self._statement, self._script, run, happened=_unseen, parameters=window)
                failpoint("clickhouse.after_window")
                moved += left
                await remember(window["until"])
            seen += rows
            now = time.monotonic()
            if left:
                pace.observe((now - sent_at) * 1000, asked_ms=run.asked_latency_ms, usual_ms=_USUAL_MS)
                await asyncio.sleep(pace.rest_seconds)
            run.report(
                Progress(
                    store="clickhouse",
                    migration=self._script.id,
                    done=min(seen, total),
                    total=total,
                    per_second=seen / max(now - started, 0.001),
                    batch=rows,
                    server_ms=(now - sent_at) * 1000,
                )
            )
            await run.ready()
        return moved

    async def _windows(self, cursor: int | None, pace: Pace) -> AsyncIterator[tuple[dict[str, int], int]]:
        after = _BEFORE_ALL_TIME if cursor is None else cursor
        while True:
            (window,) = await self._server.select(
                self._next, {"after": after, "rows": pace.rows}, row=_Window, seconds=_SECONDS
            )
            if not window.rows:
                return
            yield {"after": after, "until": window.until}, window.rows
            after = window.until

    async def _count(self, query: str, parameters: dict[str, int]) -> int:
        (row,) = await self._server.select(query, parameters, row=_Count, seconds=_SECONDS)
        return row.count


async def _unseen() -> None:
    """No schema shows whether rows were moved, and moving them again is harmless."""
