"""Applying one script: from the statement where the journal ends to the record that it is done."""

import time
from collections.abc import Mapping, Sequence

import msgspec

from outpost.clients.clickhouse import Value
from outpost.migrations.failpoints import failpoint
from outpost.migrations.run import Run
from outpost.migrations.sql.clickhouse import old_tables
from outpost.migrations.sql.clickhouse.bookkeeping import Bookkeeping, Entry, Version, begun
from outpost.migrations.sql.clickhouse.catalog import KEPT, Catalog, read_catalog
from outpost.migrations.sql.clickhouse.names import Names
from outpost.migrations.sql.clickhouse.probe import happened
from outpost.migrations.sql.clickhouse.server import Server
from outpost.migrations.sql.clickhouse.statements import StatementRunner
from outpost.migrations.sql.clickhouse.windows import WindowedStatement
from outpost.migrations.sql.script import Script, Statement

# A part alone in its partition holds each row once. Both tables are partitioned by the month of the same time.
_UNMERGED = """
SELECT partition_id AS id FROM system.parts
 WHERE active AND database = currentDatabase() AND table = {table:String} AND partition_id IN (
       SELECT partition_id FROM system.parts
        WHERE active AND database = currentDatabase() AND table = {kept:String})
 GROUP BY partition_id HAVING count() > 1 ORDER BY partition_id"""


class _Partition(msgspec.Struct, frozen=True):
    id: str


class Execution:
    """One script in the hands of one run."""

    def __init__(
        self,
        script: Script,
        run: Run,
        *,
        server: Server,
        names: Names,
        books: Bookkeeping,
        runner: StatementRunner,
    ) -> None:
        self._script = script
        self._run = run
        self._server = server
        self._names = names
        self._books = books
        self._runner = runner

    async def apply(self, *, catalog: Catalog, version: Version | None, found: Entry | None) -> None:
        """Run what is left and record the script as applied.

        Args:
            catalog: What is there now.
            version: The newest row of the original tool.
            found: Our own newest entry of this script, unless it was finished.
        """
        script = self._script
        started = time.monotonic()
        entry = _still_true(begun(script, self._run, found), script.statements, catalog)
        version = await self._books.say_version(script.number, dirty=True, last=version)
        entry = await self._books.write(entry)
        if script.number == 1:
            await self._move_old_tables(catalog)
        for statement in script.statements[entry.done :]:
            failpoint("clickhouse.before_statement")
            entry = await self._do(statement, entry)
            failpoint("clickhouse.after_statement")
            digests = [*entry.digests, statement.digest]
            entry = await self._write(entry, done=entry.done + 1, digests=digests, cursor=None)
        await self._drop_what_kept_nothing()
        # The journal is last: killed in between, the script is taken up once more and finds nothing left to do.
        failpoint("clickhouse.before_record")
        await self._books.say_version(script.number, dirty=False, last=version)
        failpoint("clickhouse.between_records")
        await self._write(entry, finished=True, duration_ms=int((time.monotonic() - started) * 1000))
        failpoint("clickhouse.after_record")

    async def _do(self, statement: Statement, entry: Entry) -> Entry:
        """Run one statement and return the entry as it was last written."""
        directives = statement.directives
        if not await self._is_needed(directives):
            return entry
        if "windows" in directives:
            return await self._in_windows(statement, entry)
        if "partitions" in directives:
            table, _, kept = directives["partitions"].partition(" of ")
            asked: Mapping[str, Value] = {"table": self._names.full(table), "kept": self._names.full(kept)}
            for partition in await self._server.select(_UNMERGED, asked, row=_Partition):
                text = statement.text.replace(":partition", f"'{partition.id}'")
                await self._send(statement, text)
            return entry
        await self._send(statement, statement.text)
        return entry

    async def _is_needed(self, directives: Mapping[str, str]) -> bool:
        """Say whether the column a statement reads is there; once it is dropped, all of it was moved."""
        table, _, column = directives.get("needs", "").partition(".")
        return not column or (await read_catalog(self._server, self._names)).has_column(table, column)

    async def _in_windows(self, statement: Statement, entry: Entry) -> Entry:
        async def remember(cursor: int | None) -> None:
            nonlocal entry
            entry = await self._write(entry, cursor=cursor)

        windows = WindowedStatement(statement, self._script, self._server, self._names)
        await windows.run(self._runner, self._run, cursor=entry.cursor, remember=remember)
        return entry

    async def _send(self, statement: Statement, text: str) -> None:
        async def seen() -> bool | None:
            return happened(statement, await read_catalog(self._server, self._names))

        await self._runner.run(statement, self._script, self._run, happened=seen, text=text)

    async def _move_old_tables(self, catalog: Catalog) -> None:
        for move in old_tables.moves(catalog):
            self._run.check()
            failpoint("clickhouse.before_move")
            await self._server.execute(move.statement(self._names))
            self._run.tell("kept_aside", store="clickhouse", migration=self._script.id, what=move.sentence)

    async def _drop_what_kept_nothing(self) -> None:
        catalog = await read_catalog(self._server, self._names)
        for table in KEPT:
            if catalog.has(table) and not catalog.tables[table].rows:
                self._run.check()
                drop = f"DROP TABLE IF EXISTS {{{table}}} {{on_cluster}} SYNC"
                await self._server.execute(self._names.render(drop))

    async def _write(self, entry: Entry, **changes: object) -> Entry:
        self._run.check()
        return await self._books.write(msgspec.structs.replace(entry, **changes))


def _still_true(entry: Entry, statements: Sequence[Statement], catalog: Catalog) -> Entry:
    """Go back to the first statement the schema contradicts: the tables may have been restored from a backup."""
    for number, statement in enumerate(statements[: entry.done]):
        if happened(statement, catalog) is False:
            return msgspec.structs.replace(entry, done=number, digests=entry.digests[:number], cursor=None)
    return entry
