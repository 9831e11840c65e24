"""What is remembered: our journal and the rows of the original tool, both only ever appended to."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files

import msgspec

from outpost.migrations.report import RunRecord
from outpost.migrations.run import Run
from outpost.migrations.sql.clickhouse.catalog import Catalog
from outpost.migrations.sql.clickhouse.names import Names
from outpost.migrations.sql.clickhouse.server import Server
from outpost.migrations.sql.script import Script, split

_FILE = "bookkeeping.sql"

_VERSION = "SELECT version, dirty, sequence FROM {schema_migrations} ORDER BY sequence DESC LIMIT 1"
_ENTRIES = """
SELECT number, sequence, name, checksum, done, digests, cursor, finished, duration_ms, host, version, run, fence
  FROM {outpost_migrations} ORDER BY number, sequence DESC LIMIT 1 BY number"""
_RUNS = "SELECT sequence, record FROM {outpost_migration_runs} ORDER BY sequence"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """The newest row of the original tool: the version that was begun (`dirty`) or reached."""

    version: int
    dirty: int
    sequence: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """How far one migration is.

    Attributes:
        done: Statements of the script that have happened; `digests` are theirs.
        cursor: Within the statement that comes next, the milliseconds of the last window that is done.
        duration_ms: Of the run that wrote this.
    """

    number: int
    sequence: int
    name: str
    checksum: str
    done: int = 0
    digests: Sequence[str] = ()
    cursor: int | None = None
    finished: bool = False
    duration_ms: int = 0
    host: str
    version: str
    run: str
    fence: int

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.sequence / 1_000_000_000, UTC)


class _RunRow(msgspec.Struct, frozen=True):
    sequence: int
    record: str


class Bookkeeping:
    """The tables of both tools in one database."""

    def __init__(self, server: Server, names: Names) -> None:
        self._server = server
        self._names = names

    async def create(self) -> None:
        text = files("outpost.migrations").joinpath("sql", "clickhouse", _FILE).read_text("utf-8")
        for statement in split(_FILE, text):
            await self._server.execute(self._names.render(statement.text))

    async def version(self, catalog: Catalog) -> Version | None:
        if not catalog.has("schema_migrations"):
            return None
        rows = await self._server.select(self._names.render(_VERSION), row=Version)
        return rows[0] if rows else None

    async def entries(self, catalog: Catalog) -> Mapping[int, Entry]:
        """Return the newest entry of each migration we have begun."""
        if not catalog.has("outpost_migrations"):
            return {}
        rows = await self._server.select(self._names.render(_ENTRIES), row=Entry)
        return {row.number: row for row in rows}

    async def say_version(self, number: int, *, dirty: bool, last: Version | None) -> Version:
        """Append a row of the original tool, unless the newest says so already; return the newest."""
        if last is not None and (last.version, bool(last.dirty)) == (number, dirty):
            return last
        row = Version(version=number, dirty=int(dirty), sequence=_later_than(last))
        await self._server.insert(self._names.quoted("schema_migrations"), [row])
        return row

    async def write(self, entry: Entry) -> Entry:
        """Append an entry and return it as it was written: later than the one it was made from."""
        written = msgspec.structs.replace(entry, sequence=_later_than(entry))
        await self._server.insert(self._names.quoted("outpost_migrations"), [written])
        return written

    async def runs(self, catalog: Catalog) -> Sequence[RunRecord]:
        if not catalog.has("outpost_migration_runs"):
            return []
        rows = await self._server.select(self._names.render(_RUNS), row=_RunRow)
        return [msgspec.json.decode(row.record, type=RunRecord) for row in rows]

    async def record_run(self, run: RunRecord) -> None:
        row = _RunRow(time.time_ns(), msgspec.json.encode(run).decode())
        await self._server.insert(self._names.quoted("outpost_migration_runs"), [row])


def begun(script: Script, run: Run, found: Entry | None) -> Entry:
    """Return the entry with which a run takes a script up, where an earlier one stopped."""
    return Entry(
        number=script.number,
        sequence=found.sequence if found else 0,
        name=script.name,
        checksum=script.checksum,
        done=found.done if found else 0,
        digests=found.digests if found else (),
        cursor=found.cursor if found else None,
        host=run.owner.host,
        version=run.owner.version,
        run=run.owner.run,
        fence=run.fence,
    )


def _later_than(row: Version | Entry | None) -> int:
    """The time in nanoseconds, but after `row`, whatever the clocks of two hosts say."""
    return max(time.time_ns(), row.sequence + 1 if row is not None else 0)
