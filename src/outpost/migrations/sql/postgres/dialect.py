"""Postgres: scripts in transactions of their own, adopted from and shared with the original tool."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files

from outpost.clients.postgres import InvalidTarget, Target, check_tls_files
from outpost.domain.errors import ConfigurationError
from outpost.migrations.errors import MigrationError, Unreachable
from outpost.migrations.failpoints import failpoint
from outpost.migrations.lease import Timings
from outpost.migrations.line import VerifyRequest
from outpost.migrations.owner import this_process
from outpost.migrations.report import Check, CleanupItem, RunRecord
from outpost.migrations.run import Run
from outpost.migrations.sql.dialect import Recorded
from outpost.migrations.sql.line import SqlLine
from outpost.migrations.sql.postgres import books, kept
from outpost.migrations.sql.postgres.database import Database
from outpost.migrations.sql.postgres.estimates import AHEAD_BYTES, LARGE_BYTES, labours, readable
from outpost.migrations.sql.postgres.lease import PostgresLease
from outpost.migrations.sql.postgres.parts import Batches, parts_of
from outpost.migrations.sql.postgres.permissions import refuse_without_permission
from outpost.migrations.sql.postgres.preflight import preflight
from outpost.migrations.sql.postgres.records import needs_shape, records
from outpost.migrations.sql.postgres.session import Patience, working_session
from outpost.migrations.sql.postgres.shape import read_shape
from outpost.migrations.sql.postgres.verify import verify
from outpost.migrations.sql.postgres.work import Work
from outpost.migrations.sql.script import Script, load_scripts


def postgres_line(url: str, timings: Timings | None = None) -> SqlLine:
    """Return the line of the database that `POSTGRES_URL` names.

    Raises:
        ConfigurationError: `url` is no connection string, or a file that it names cannot be read.
    """
    try:
        target = Target.parse(url)
        check_tls_files(target)
    except InvalidTarget as error:
        raise ConfigurationError(f"POSTGRES_URL: {error}") from None
    return SqlLine(PostgresDialect(Database(target), timings or Timings()), postgres_scripts())


def postgres_scripts() -> Sequence[Script]:
    return load_scripts(files("outpost.migrations").joinpath("sql", "postgres"))


class PostgresDialect:
    """A `Dialect` over one database, which must exist; nothing is kept open between calls but the lock of a run."""

    name = "postgres"

    def __init__(
        self,
        database: Database,
        timings: Timings,
        *,
        patience: Patience | None = None,
        large_bytes: int = LARGE_BYTES,
        ahead_bytes: int = AHEAD_BYTES,
    ) -> None:
        """Args:
        large_bytes: Tables above it are locked for long only with `--allow-blocking`.
        ahead_bytes: Partitions above it get their indexes while others read and write them.
        """
        self._database = database
        self._patience = patience or Patience()
        self._large_bytes = large_bytes
        self._ahead_bytes = ahead_bytes
        self.target = database.address
        self.lease = PostgresLease(database, timings)

    async def recorded(self) -> Sequence[Recorded]:
        async with self._database.reading() as connection:
            book = await books.read_book(connection)
            return records(book, await read_shape(connection) if needs_shape(book) else frozenset())

    async def prepare(self, run: Run) -> None:
        """Taking the lease has created the tool's tables; what is left is to ask whether the others may be changed."""
        if self.lease.shared_sessions:
            text = "a pooler is in between, so the original tool's lock cannot be held; see to it that it does not run"
            run.tell("warning", store=self.name, reason=text)
        async with self._database.reading() as connection:
            await refuse_without_permission(connection)

    async def execute(self, script: Script, run: Run) -> None:
        try:
            async with working_session(self._database, run, self._patience) as session:
                await Work(session, script, large_bytes=self._large_bytes, ahead_bytes=self._ahead_bytes).run()
        except Unreachable:
            if not await self.lease.is_held_by(run.owner.token):  # `unlock` and takeover end the sessions of a run
                run.lose("it was revoked or taken over in postgres")
            run.check()
            raise

    async def notes(self, script: Script) -> Sequence[str]:
        async with self._database.reading() as connection:
            found = await labours(connection, script)
        needs_flag = f"; above {readable(self._large_bytes)}, so it needs --allow-blocking"
        notes = [f"{each}{needs_flag if each.blocks and each.bytes > self._large_bytes else ''}" for each in found]
        batched = {part.table for part in parts_of(script) if isinstance(part, Batches)}
        return [*notes, *(f"goes over {table} in small batches; may be interrupted" for table in sorted(batched))]

    async def preflight(self, pending: Sequence[Script]) -> Sequence[Check]:
        async with self._database.reading() as connection:
            return await preflight(connection, pending)

    async def verify(self, scripts: Sequence[Script], request: VerifyRequest) -> Sequence[Check]:
        started_at = datetime.now(UTC)
        checks = await verify(self._database, max((script.number for script in scripts), default=0), request)
        return [*checks, *await self._remember(checks, started_at)] if request.full else checks

    async def _remember(self, checks: Sequence[Check], started_at: datetime) -> Sequence[Check]:
        """Write a full verification into the history, where `cleanup` looks for it; say so if that cannot be."""
        owner = this_process()
        record = RunRecord(
            store=self.name,
            run=owner.run,
            command=kept.FULL_VERIFY,
            outcome="ok" if all(check.ok for check in checks) else "failed",
            started_at=started_at,
            duration_ms=int((datetime.now(UTC) - started_at).total_seconds() * 1000),
            host=owner.host,
            user=owner.user,
            version=owner.version,
            detail="; ".join(f"{check.name}: {check.different} of {check.compared} differ" for check in checks),
        )
        try:
            await self.record_run(record)
        except MigrationError as error:
            return [Check(name="postgres: history", note=f"this verification could not be recorded: {error}")]
        return []

    async def preserved(self) -> Sequence[CleanupItem]:
        async with self._database.reading() as connection:
            return await kept.kept_tables(connection)

    async def remove_preserved(self, run: Run, *, force: bool) -> Sequence[CleanupItem]:
        async with self._database.reading() as connection:
            items = await kept.kept_tables(connection)
            if items and not force:
                await kept.refuse_early_cleanup(connection)
        for item in items:
            await run.ready()
            async with self._database.writing() as connection:
                await kept.drop_kept(connection, item.what)
                await books.refuse_older_fence(connection, run, until_commit=True)
                failpoint("postgres.cleanup")
        return items

    async def runs(self) -> Sequence[RunRecord]:
        async with self._database.reading() as connection:
            return await books.read_runs(connection)

    async def record_run(self, run: RunRecord) -> None:
        async with self._database.writing() as connection:
            await books.write_run(connection, run)

    async def close(self) -> None:
        await self.lease.close()
