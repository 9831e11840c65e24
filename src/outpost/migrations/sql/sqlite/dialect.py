"""SQLite: one transaction per script, its record in the same transaction."""

import asyncio
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import msgspec

from outpost.clients.sqlite import DatabaseBusy, FileLock
from outpost.migrations.errors import MigrationError, Refused
from outpost.migrations.failpoints import failpoint
from outpost.migrations.lease import Timings
from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import Check, CleanupItem, RunRecord
from outpost.migrations.run import Run
from outpost.migrations.sql.dialect import Recorded
from outpost.migrations.sql.line import SqlLine
from outpost.migrations.sql.script import Script, load_scripts, split
from outpost.migrations.sql.sqlite.files import APPLICATION_ID, LocalFile
from outpost.migrations.sql.sqlite.lease import SQLiteLease

_FOLDER = files("outpost.migrations").joinpath("sql", "sqlite")
_OLDEST = (3, 37)  # STRICT tables

_RECORDED = """
SELECT number, name, checksum, applied_at, duration_ms, host, version FROM outpost_migrations ORDER BY number"""
_RECORD = """
INSERT INTO outpost_migrations (number, name, checksum, applied_at, duration_ms, host, version, run, fence)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SCHEMA = """
SELECT type || ' ' || name, sql FROM sqlite_schema
 WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite^_%' ESCAPE '^' AND name NOT LIKE 'outpost^_migration%' ESCAPE '^'"""


def sqlite_line(path: Path, timings: Timings | None = None) -> SqlLine:
    """Return the line of the embedded profile's file."""
    return SqlLine(SQLiteDialect(LocalFile(path), timings or Timings()), sqlite_scripts())


def sqlite_scripts() -> Sequence[Script]:
    """Return all migrations of the line, in order."""
    return load_scripts(_FOLDER)


class SQLiteDialect:
    """A `Dialect` over one file, which may be missing until `prepare`."""

    name = "sqlite"

    def __init__(self, file: LocalFile, timings: Timings) -> None:
        self._file = file
        self.target = str(file.path)
        self.lease = SQLiteLease(file, self._prepare, timings)

    async def recorded(self) -> Sequence[Recorded]:
        return await asyncio.to_thread(self._recorded)

    def _recorded(self) -> Sequence[Recorded]:
        if not self._file.exists():
            return []
        with self._file.reading() as connection:
            self._file.refuse_foreign(connection)
            if not self._file.has_table(connection, "outpost_migrations"):
                return []
            rows = connection.execute(_RECORDED).fetchall()
        return [
            Recorded(
                number=number,
                name=name,
                checksum=checksum,
                applied_at=datetime.fromtimestamp(applied_at / 1000, UTC),
                duration_ms=duration_ms,
                host=host,
                version=version,
            )
            for number, name, checksum, applied_at, duration_ms, host, version in rows
        ]

    async def prepare(self, run: Run) -> None:
        """Nothing is left to do: taking the lease has created the file and the tables."""

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Create the tool's tables inside the caller's transaction, and mark the file as ours."""
        if self._file.has_table(connection, "outpost_migration_lease"):
            return
        if sqlite3.sqlite_version_info < _OLDEST:
            raise Refused(f"SQLite {sqlite3.sqlite_version} is too old; Python must come with 3.37 or newer")
        self._file.refuse_foreign(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for statement in split("bookkeeping.sql", _FOLDER.joinpath("bookkeeping.sql").read_text("utf-8")):
            connection.execute(statement.text)

    async def execute(self, script: Script, run: Run) -> None:
        run.check()
        await asyncio.to_thread(self._execute, script, run)

    def _execute(self, script: Script, run: Run) -> None:
        with self._without_server(), self._file.writing() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            started = time.monotonic()
            connection.execute("BEGIN IMMEDIATE")
            self._refuse_older_fence(connection, run)
            for statement in script.statements:
                failpoint("sqlite.statement")
                try:
                    connection.execute(statement.text)
                except sqlite3.Error as error:
                    raise MigrationError(
                        f"{script.file}, line {statement.line}: {error}; the whole file was rolled back, nothing of it "
                        "is applied. Run: outpost migrate apply"
                    ) from None
            milliseconds = int((time.monotonic() - started) * 1000)
            now = int(time.time() * 1000)
            owner = run.owner
            connection.execute(
                _RECORD,
                (
                    script.number,
                    script.name,
                    script.checksum,
                    now,
                    milliseconds,
                    owner.host,
                    owner.version,
                    owner.run,
                    run.fence,
                ),
            )
            failpoint("sqlite.before_commit")
            connection.execute("COMMIT")
            failpoint("sqlite.after_commit")

    @contextmanager
    def _without_server(self) -> Generator[None]:
        try:
            with FileLock(self._file.path):
                yield
        except DatabaseBusy as error:
            raise Refused(f"{error}, a server that must be stopped before its database is migrated") from None

    def _refuse_older_fence(self, connection: sqlite3.Connection, run: Run) -> None:
        (fence,) = connection.execute("SELECT fence FROM outpost_migration_lease").fetchone()
        if fence > run.fence:
            run.lose(f"fence {fence} is newer than {run.fence} in sqlite")
            run.check()

    async def notes(self, script: Script) -> Sequence[str]:
        return []

    async def preflight(self, pending: Sequence[Script]) -> Sequence[Check]:
        return await asyncio.to_thread(self._preflight)

    def _preflight(self) -> Sequence[Check]:
        if not self._file.exists():
            return [Check(name="sqlite: file", note=f"{self.target} will be created")]
        with self._file.reading() as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        fault = [] if verdict == "ok" else [str(verdict)]
        return [
            Check(
                name="sqlite: integrity",
                compared=1,
                different=len(fault),
                differences=fault,
                repair="restore the file from a backup" if fault else "",
            )
        ]

    async def verify(self, scripts: Sequence[Script], request: VerifyRequest) -> Sequence[Check]:
        return await asyncio.to_thread(self._verify, scripts)

    def _verify(self, scripts: Sequence[Script]) -> Sequence[Check]:
        """The objects in the file are those that the applied scripts make, and the file is sound."""
        with closing(sqlite3.connect(":memory:")) as scratch:
            for script in scripts:
                for statement in script.statements:
                    scratch.execute(statement.text)
            wanted = dict(scratch.execute(_SCHEMA).fetchall())
        if not self._file.exists():
            return []
        with self._file.reading() as connection:
            found = dict(connection.execute(_SCHEMA).fetchall())
            damage = [text for (text,) in connection.execute("PRAGMA quick_check(10)") if text != "ok"]
        differences = [f"{name} is missing" for name in wanted if name not in found]
        differences += [
            f"{name} differs from the migrations" for name in wanted if found.get(name, wanted[name]) != wanted[name]
        ]
        differences += [f"{name} is not of the migrations" for name in found if name not in wanted]
        return [
            Check(
                name="sqlite: schema",
                compared=len(wanted),
                population=len(wanted),
                different=len(differences),
                differences=differences[:20],
            ),
            Check(name="sqlite: integrity", compared=1, population=1, different=len(damage), differences=damage),
        ]

    async def preserved(self) -> Sequence[CleanupItem]:
        return []

    async def remove_preserved(self, run: Run, *, force: bool) -> Sequence[CleanupItem]:
        return []

    async def runs(self) -> Sequence[RunRecord]:
        return await asyncio.to_thread(self._runs)

    def _runs(self) -> Sequence[RunRecord]:
        if not self._file.exists():
            return []
        with self._file.reading() as connection:
            if not self._file.has_table(connection, "outpost_migration_runs"):
                return []
            rows = connection.execute("SELECT record FROM outpost_migration_runs ORDER BY key").fetchall()
        return [msgspec.json.decode(record, type=RunRecord) for (record,) in rows]

    async def record_run(self, run: RunRecord) -> None:
        if self._file.exists():
            await asyncio.to_thread(self._record_run, run)

    def _record_run(self, run: RunRecord) -> None:
        text = msgspec.json.encode(run).decode()
        with self._file.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._prepare(connection)
            connection.execute("INSERT INTO outpost_migration_runs (record) VALUES (?)", (text,))
            connection.execute("COMMIT")

    async def close(self) -> None: ...
