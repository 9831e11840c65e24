"""What is recorded in the database: applied migrations, runs, and the original tool's version, kept in step.

Every function works in the transaction of its caller. None waits for a lock that is held for longer than a moment: the
original tool empties its table with TRUNCATE, this one changes the row.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files

import msgspec

from outpost.clients.postgres import Connection
from outpost.migrations.errors import Refused
from outpost.migrations.report import RunRecord
from outpost.migrations.run import Run
from outpost.migrations.sql.dialect import Recorded
from outpost.migrations.sql.script import Script, split

_EXISTING = """
SELECT to_regclass(quote_ident(current_schema()) || '.schema_migrations') IS NOT NULL AS theirs,
       to_regclass(quote_ident(current_schema()) || '.outpost_migrations') IS NOT NULL AS ours,
       ARRAY(SELECT relname::text FROM pg_class
              WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
                AND relname IN ('events', 'deliveries', 'attempts', 'event_delivery_index')
              ORDER BY relname) AS tables"""
_OURS = """
SELECT number, name, checksum, digests, done, applied_at, duration_ms, host, version, kept FROM outpost_migrations
 ORDER BY number"""
_BEGIN = """
INSERT INTO outpost_migrations (number, name, checksum, digests, host, version, run, fence)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (number) DO UPDATE
   SET name = EXCLUDED.name, checksum = EXCLUDED.checksum, digests = EXCLUDED.digests, host = EXCLUDED.host,
       version = EXCLUDED.version, run = EXCLUDED.run, fence = EXCLUDED.fence, done = 0, cursor_time = NULL,
       cursor_id = NULL, kept = '{}', begun_at = clock_timestamp(), applied_at = NULL, duration_ms = 0"""
_ADVANCE = """
UPDATE outpost_migrations
   SET done = $2, cursor_time = $3, cursor_id = $4, duration_ms = duration_ms + $5, kept = $6, host = $7, version = $8,
       run = $9, fence = $10
 WHERE number = $1"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('outpost_migrations'))"


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Both records at one moment.

    Attributes:
        version: The original tool's number; 0 for none.
        dirty: The original tool, or this one, is or was in the middle of `version`.
        rows: This tool's own records, by number.
        counts: Rows moved aside by each migration, by table.
    """

    version: int = 0
    dirty: bool = False
    rows: Mapping[int, Recorded] = {}
    counts: Mapping[int, Mapping[str, int]] = {}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far a migration is: statements done, and the last row of the next one's table, as (time, id)."""

    done: int = 0
    cursor: tuple[object, str] | None = None
    kept: Mapping[str, int] = {}


async def read_book(connection: Connection) -> Book:
    """Raises Refused if there are tables of these names and no record of how they were made."""
    existing = await connection.fetchrow(_EXISTING)
    assert existing is not None
    row = await connection.fetchrow("SELECT version, dirty FROM schema_migrations") if existing["theirs"] else None
    ours = await connection.fetch(_OURS) if existing["ours"] else []
    if row is None and not ours and existing["tables"]:
        raise Refused(
            f"there is a table {existing['tables'][0]} but no record of migrations, so it is another program's; name "
            "another database in POSTGRES_URL, or another schema with its parameter search_path"
        )
    return Book(
        version=max(row["version"], 0) if row else 0,
        dirty=bool(row and row["dirty"]),
        rows={
            each["number"]: Recorded(
                number=each["number"],
                name=each["name"],
                checksum=each["checksum"],
                digests=each["digests"],
                finished=each["applied_at"] is not None,
                detail="" if each["applied_at"] else f"ended early, {each['done']} statements are done",
                applied_at=each["applied_at"],
                duration_ms=each["duration_ms"],
                host=each["host"],
                version=each["version"],
            )
            for each in ours
        },
        counts={each["number"]: msgspec.json.decode(each["kept"], type=dict[str, int]) for each in ours},
    )


async def has_books(connection: Connection) -> bool:
    return bool(
        await connection.fetchval(
            "SELECT to_regclass(quote_ident(current_schema()) || '.outpost_migration_lease') IS NOT NULL"
        )
    )


async def create_books(connection: Connection) -> None:
    """Create what is missing; safe for many at once."""
    if await has_books(connection):
        return
    await connection.execute(_LOCK)
    text = files("outpost.migrations").joinpath("sql", "postgres", "bookkeeping.sql").read_text("utf-8")
    for statement in split("bookkeeping.sql", text):
        await connection.execute(statement.text)


async def refuse_older_fence(connection: Connection, run: Run, *, until_commit: bool) -> None:
    """Raise LeaseLost if a newer run has been here.

    Args:
        until_commit: Let no run get a newer fence before this transaction ends. Heartbeats wait too: call it last.
    """
    fence = await connection.fetchval(
        "SELECT fence FROM outpost_migration_lease" + (" FOR SHARE" if until_commit else "")
    )
    if fence > run.fence:
        run.lose(f"fence {fence} is newer than {run.fence} in postgres")
        run.check()


async def read_place(connection: Connection, script: Script) -> Place | None:
    """Return how far the script is; None if it was not begun, or is finished."""
    row = await connection.fetchrow(
        "SELECT done, cursor_time, cursor_id, kept FROM outpost_migrations WHERE number = $1 AND applied_at IS NULL",
        script.number,
    )
    if row is None:
        return None
    cursor = None if row["cursor_id"] is None else (row["cursor_time"], row["cursor_id"])
    return Place(done=row["done"], cursor=cursor, kept=msgspec.json.decode(row["kept"], type=dict[str, int]))


async def begin(connection: Connection, script: Script, run: Run) -> None:
    """Record that a script is begun; to the original tool it looks as if that tool were in the middle of it."""
    owner = run.owner
    await connection.execute(
        _BEGIN,
        script.number,
        script.name,
        script.checksum,
        [statement.digest for statement in script.statements],
        owner.host,
        owner.version,
        owner.run,
        run.fence,
    )
    await _set_version(connection, script.number, dirty=True)


async def advance(connection: Connection, script: Script, run: Run, place: Place, milliseconds: int) -> None:
    """Record how far the script is now."""
    time, id_ = place.cursor or (None, None)
    owner = run.owner
    await connection.execute(
        _ADVANCE,
        script.number,
        place.done,
        time,
        id_,
        milliseconds,
        msgspec.json.encode(place.kept).decode(),
        owner.host,
        owner.version,
        owner.run,
        run.fence,
    )


async def finish(connection: Connection, script: Script) -> None:
    """Record a script as applied, in both records."""
    await connection.execute(
        "UPDATE outpost_migrations SET applied_at = clock_timestamp() WHERE number = $1", script.number
    )
    await _set_version(connection, script.number, dirty=False)


async def _set_version(connection: Connection, version: int, *, dirty: bool) -> None:
    await connection.execute("DELETE FROM schema_migrations WHERE version <> $1", version)
    await connection.execute(
        "INSERT INTO schema_migrations (version, dirty) VALUES ($1, $2) "
        "ON CONFLICT (version) DO UPDATE SET dirty = EXCLUDED.dirty",
        version,
        dirty,
    )


async def read_runs(connection: Connection) -> Sequence[RunRecord]:
    if not await has_books(connection):
        return []
    rows = await connection.fetch("SELECT record FROM outpost_migration_runs ORDER BY key")
    return [msgspec.json.decode(row["record"], type=RunRecord) for row in rows]


async def write_run(connection: Connection, run: RunRecord) -> None:
    """Append to the history if there is one."""
    if await has_books(connection):
        text = msgspec.json.encode(run).decode()
        await connection.execute("INSERT INTO outpost_migration_runs (record) VALUES ($1)", text)
