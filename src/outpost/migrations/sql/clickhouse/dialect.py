"""ClickHouse: no transactions and no compare-and-set, so every statement may be repeated and each is journalled."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files

from outpost.clients.clickhouse import ClickHouse
from outpost.migrations.errors import DecisionNeeded, Refused
from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import Check, CleanupItem, RunRecord
from outpost.migrations.run import Run
from outpost.migrations.sql.clickhouse import old_tables
from outpost.migrations.sql.clickhouse.backlog import Backlog
from outpost.migrations.sql.clickhouse.bookkeeping import Bookkeeping
from outpost.migrations.sql.clickhouse.catalog import KEPT, KEPT_EVENT_DESTINATIONS, Catalog, read_catalog
from outpost.migrations.sql.clickhouse.comparison import Comparison
from outpost.migrations.sql.clickhouse.execution import Execution
from outpost.migrations.sql.clickhouse.health import Health
from outpost.migrations.sql.clickhouse.names import Names
from outpost.migrations.sql.clickhouse.recognition import recognised
from outpost.migrations.sql.clickhouse.server import Server
from outpost.migrations.sql.clickhouse.snapshot import differences, objects, snapshot
from outpost.migrations.sql.clickhouse.statements import StatementRunner
from outpost.migrations.sql.dialect import Recorded
from outpost.migrations.sql.line import SqlLine
from outpost.migrations.sql.script import Script, load_scripts

_FOLDER = files("outpost.migrations").joinpath("sql", "clickhouse")
_FILLS_DESTINATIONS = 2
_SOAK = timedelta(hours=24)
_ROWS_PER_SECOND = 100_000
"""Of moving data in windows; a cautious guess, for the plan only."""


def clickhouse_line(
    clickhouse: ClickHouse,
    *,
    database: str,
    deployment_id: str,
    cluster: str,
    address_origin: str,
    close: Callable[[], Awaitable[None]],
) -> SqlLine:
    """Return the line of one deployment in a database.

    Args:
        deployment_id: Comes before the name of each table; may be empty.
        cluster: Where schema changes run and tables are replicated; empty for one server.
        address_origin: Which setting names the HTTP address, or how it was derived.
        close: Closes what the client sends through.
    """
    names = Names(prefix=f"{deployment_id}_" if deployment_id else "", cluster=cluster)
    server = Server(clickhouse, database=database, address_origin=address_origin)
    scripts = names.rendered(load_scripts(_FOLDER))
    return SqlLine(ClickHouseDialect(server, names, scripts, close=close), scripts)


class ClickHouseDialect:
    """A `Dialect` over the tables of one deployment."""

    name = "clickhouse"
    lease = None

    def __init__(
        self, server: Server, names: Names, scripts: Sequence[Script], *, close: Callable[[], Awaitable[None]]
    ) -> None:
        self.target = server.address + (f" ({names.prefix}*)" if names.prefix else "")
        self._server = server
        self._names = names
        self._scripts = scripts
        self._close = close
        self._books = Bookkeeping(server, names)
        self._runner = StatementRunner(server, Backlog(server, names))

    async def recorded(self) -> Sequence[Recorded]:
        catalog = await self._catalog()
        version = await self._books.version(catalog)
        entries = await self._books.entries(catalog)
        return recognised(self._scripts, catalog=catalog, version=version, entries=entries)

    async def prepare(self, run: Run) -> None:
        done = {each.number for each in await self.recorded() if each.finished}
        pending = [script for script in self._scripts if script.number not in done]
        if not pending:  # the run is about another store
            return
        faults = [check for check in await self.preflight(pending) if not check.ok]
        if faults:
            raise Refused("; ".join(f"{', '.join(fault.differences)}: {fault.repair}" for fault in faults))
        run.check()
        await self._books.create()

    async def execute(self, script: Script, run: Run) -> None:
        catalog = await self._catalog()
        version = await self._books.version(catalog)
        entries = await self._books.entries(catalog)
        recorded = recognised(self._scripts, catalog=catalog, version=version, entries=entries)
        for each in recorded:
            if each.in_doubt:  # also if it is a later one: running this one would hide why
                raise DecisionNeeded(
                    f"{each.number:06d}_{each.name} on {self.target}: {each.detail}. Restore the tables, or remove the "
                    f"rows of version {each.number} from {self._names.full('schema_migrations')}, then run: "
                    "outpost migrate apply"
                )
        found = entries.get(script.number)
        execution = Execution(
            script, run, server=self._server, names=self._names, books=self._books, runner=self._runner
        )
        unfinished = found if found is not None and not found.finished else None
        await execution.apply(catalog=catalog, version=version, found=unfinished)

    async def notes(self, script: Script) -> Sequence[str]:
        catalog = await self._catalog()
        notes = [move.sentence for move in old_tables.moves(catalog)] if script.number == 1 else []
        if any("windows" in statement.directives for statement in script.statements):
            notes += [
                f"{self._names.full(table)}: {found.rows} rows, {found.bytes / 2**20:.1f} MiB"
                for table, found in catalog.tables.items()
                if table in ("events", "attempts")
            ]
            rows = sum(catalog.tables[table].rows for table in ("events", "attempts") if catalog.has(table))
            notes.append(
                f"reads them twice and rewrites the events, about {max(1, rows * 2 // _ROWS_PER_SECOND)} s; "
                "reading and writing go on meanwhile"
            )
        return notes

    async def preflight(self, pending: Sequence[Script]) -> Sequence[Check]:
        return await Health(self._server, self._names).checks(pending)

    async def verify(self, scripts: Sequence[Script], request: VerifyRequest) -> Sequence[Check]:
        catalog = await self._catalog()
        checks: list[Check] = []
        if scripts:
            checks.append(await self._version_check(scripts, catalog))
        if len(scripts) == len(self._scripts):
            wanted = snapshot()
            found = differences(wanted, catalog)
            size = objects(wanted)
            checks.append(
                Check(
                    name="clickhouse: schema",
                    compared=size,
                    population=size,
                    different=len(found),
                    differences=found[:20],
                )
            )
        if any(script.number == _FILLS_DESTINATIONS for script in scripts):
            checks.append(await Comparison(self._server, self._names).check(catalog, request))
        return checks

    async def _version_check(self, scripts: Sequence[Script], catalog: Catalog) -> Check:
        """The original tool must read the same of this database as we do."""
        newest = max(script.number for script in scripts)
        version = await self._books.version(catalog)
        right = version is not None and (version.version, version.dirty) == (newest, 0)
        said = "nothing" if version is None else f"{version.version}{', dirty' if version.dirty else ''}"
        fault = f"{self._names.full('schema_migrations')} says {said} instead of {newest}"
        return Check(
            name="clickhouse: recorded version",
            compared=1,
            population=1,
            different=0 if right else 1,
            differences=[] if right else [fault],
        )

    async def preserved(self) -> Sequence[CleanupItem]:
        catalog = await self._catalog()
        return [
            CleanupItem(
                store=self.name,
                what=self._names.full(table),
                count=catalog.tables[table].rows,
                bytes=catalog.tables[table].bytes,
            )
            for table in KEPT
            if catalog.has(table)
        ]

    async def remove_preserved(self, run: Run, *, force: bool) -> Sequence[CleanupItem]:
        kept = await self.preserved()
        if kept and not force:
            await self._refuse_early_removal()
        for item in kept:
            await run.ready()
            table = self._names.quoted(self._names.short(item.what))
            await self._server.execute(self._names.render(f"DROP TABLE IF EXISTS {table} {{on_cluster}} SYNC"))
        return kept

    async def _refuse_early_removal(self) -> None:
        """Raises Refused unless the last change is a day old and everything compares equal now."""
        catalog = await self._catalog()
        entries = await self._books.entries(catalog)
        latest = max((entry.at for entry in entries.values()), default=None)
        if latest is not None and datetime.now(UTC) - latest < _SOAK:
            raise Refused(f"the last change of {self.target} is younger than a day ({latest:%Y-%m-%d %H:%M} UTC)")
        check = await Comparison(self._server, self._names).check(catalog, VerifyRequest(full=True))
        if catalog.has(KEPT_EVENT_DESTINATIONS) and not check.ok:
            raise Refused(f"{check.different} of the kept values are not in the new form: {check.differences[0]}")

    async def runs(self) -> Sequence[RunRecord]:
        return await self._books.runs(await self._catalog())

    async def record_run(self, run: RunRecord) -> None:
        if (await self._catalog()).has("outpost_migration_runs"):
            await self._books.record_run(run)

    async def close(self) -> None:
        await self._close()

    async def _catalog(self) -> Catalog:
        return await read_catalog(self._server, self._names)
