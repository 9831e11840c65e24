"""The tables with what the original tool's files destroy, and when they may go."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from outpost.clients.postgres import Connection
from outpost.migrations.errors import Refused
from outpost.migrations.report import CleanupItem
from outpost.migrations.sql.postgres import books

PREFIX = "outpost_kept_"
FULL_VERIFY = "verify --full"
SOAK = timedelta(hours=24)
_COUNTED_BYTES = 64 << 20

_TABLES = """
SELECT c.relname AS name, sum(pg_total_relation_size(l.oid))::bigint AS bytes,
       sum(greatest(l.reltuples, 0))::bigint AS rows
  FROM pg_class AS c
  JOIN pg_class AS l ON l.oid = c.oid OR l.oid IN (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf)
 WHERE c.relnamespace = current_schema()::regnamespace
   AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname LIKE 'outpost^_kept^_%' ESCAPE '^'
 GROUP BY c.relname
 ORDER BY c.relname"""
_LAST_CHANGE = "SELECT max(applied_at) AS at, clock_timestamp() AS now FROM outpost_migrations"


async def kept_tables(connection: Connection) -> Sequence[CleanupItem]:
    """Return the tables; the rows of large ones are the server's estimate."""
    items: list[CleanupItem] = []
    for row in await connection.fetch(_TABLES):
        count = row["rows"]
        if row["bytes"] <= _COUNTED_BYTES:
            count = await connection.fetchval(f"SELECT count(*) FROM {row['name']}")
        items.append(CleanupItem(store="postgres", what=row["name"], count=count, bytes=row["bytes"]))
    return items


async def refuse_early_cleanup(connection: Connection) -> None:
    """Raises Refused unless all was compared since the last change, and that is a day old."""
    row = await connection.fetchrow(_LAST_CHANGE)
    assert row is not None
    changed: datetime = row["at"] or datetime.min.replace(tzinfo=UTC)
    clean = [
        run.started_at
        for run in await books.read_runs(connection)
        if run.command == FULL_VERIFY and run.outcome == "ok" and run.started_at > changed
    ]
    if not clean:
        raise Refused(
            f"nothing was removed: not everything was compared since the last change ({changed:%Y-%m-%d %H:%M} UTC). "
            "Run: outpost migrate verify --full"
        )
    if row["now"] - changed < SOAK:
        raise Refused(
            f"nothing was removed: the last change ({changed:%Y-%m-%d %H:%M} UTC) is less than a day old; run it again "
            "later, or now with --force"
        )


async def drop_kept(connection: Connection, name: str) -> None:
    assert name.startswith(PREFIX)
    await connection.execute(f"DROP TABLE IF EXISTS {name}")
