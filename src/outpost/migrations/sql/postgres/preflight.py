"""What would stop or endanger `apply`, with the statement that mends it."""

from collections.abc import Sequence

from outpost.clients.postgres import Connection
from outpost.migrations.report import Check
from outpost.migrations.sql.postgres import books, estimates
from outpost.migrations.sql.postgres.advisory import pooled
from outpost.migrations.sql.postgres.permissions import faults
from outpost.migrations.sql.postgres.records import needs_shape, records
from outpost.migrations.sql.postgres.shape import drift, read_shape, shapes
from outpost.migrations.sql.script import Script

_OLD_TRANSACTION_SECONDS = 60.0

_OLD_TRANSACTIONS = """
SELECT a.pid, coalesce(a.usename::text, '') AS user_name, a.application_name, a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds,
       string_agg(DISTINCT c.relname::text, ', ') AS tables
  FROM pg_stat_activity AS a
  JOIN pg_locks AS l ON l.pid = a.pid AND l.locktype = 'relation' AND l.granted
  JOIN pg_class AS c ON c.oid = l.relation
 WHERE a.datname = current_database()
   AND a.pid <> pg_backend_pid()
   AND c.relnamespace = current_schema()::regnamespace
   AND c.relname ~ '^(events|deliveries|attempts|event_delivery_index)'
   AND c.relkind IN ('r', 'p')
   AND a.xact_start < clock_timestamp() - make_interval(secs => $1)
 GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start
 ORDER BY a.xact_start"""
_REPLICAS = "SELECT count(*), count(replay_lsn) FROM pg_stat_replication"


async def preflight(connection: Connection, pending: Sequence[Script]) -> Sequence[Check]:
    found = [
        Check(name=f"postgres: {fault.name}", compared=1, different=1, differences=[fault.what], repair=fault.repair)
        for fault in await faults(connection)
    ]
    checks = found or [Check(name="postgres: permissions", compared=1, note="may change its tables")]
    checks.append(await _state(connection))
    checks.append(await _old_transactions(connection))
    checks.append(await _sessions(connection))
    checks += [
        Check(name=f"postgres: {script.id}", note=str(labour))
        for script in pending
        for labour in await estimates.labours(connection, script)
    ]
    return checks


async def _state(connection: Connection) -> Check:
    """A migration that another tool left half done can be applied if the tables show where it stopped."""
    book = await books.read_book(connection)
    if not needs_shape(book):
        return Check(name="postgres: dirty", compared=1, note="no")
    shape = await read_shape(connection)
    detail = records(book, shape)[-1].detail
    known = book.version < len(shapes()) and any(drift(shape, book.version - back).fits for back in (0, 1))
    return Check(
        name="postgres: dirty",
        compared=1,
        different=0 if known else 1,
        differences=[] if known else [f"{book.version:06d}: {detail}"],
        note=f"{book.version:06d}: {detail}" if known else "",
        repair="" if known else "bring the tables into one of these shapes, or restore a backup",
    )


async def _old_transactions(connection: Connection) -> Check:
    rows = await connection.fetch(_OLD_TRANSACTIONS, _OLD_TRANSACTION_SECONDS)
    return Check(
        name="postgres: long transactions",
        compared=1,
        different=len(rows),
        differences=[
            f"pid {row['pid']} ({row['user_name']} {row['application_name']}, {row['state']}) has used {row['tables']} "
            f"in a transaction for {row['seconds']:.0f} s"
            for row in rows
        ],
        repair="; ".join(f"SELECT pg_terminate_backend({row['pid']})" for row in rows),
    )


async def _sessions(connection: Connection) -> Check:
    notes: list[str] = []
    if await pooled(connection):
        notes.append(
            "a pooler is in between, so the original tool's lock cannot be held: see to it that it does not run; its "
            "address in POSTGRES_URL should be the server's own"
        )
    row = await connection.fetchrow(_REPLICAS)
    assert row is not None
    if row[0] > row[1]:
        notes.append("the lag of replicas cannot be seen, so nothing waits for them: GRANT pg_monitor to this user")
    return Check(name="postgres: sessions", compared=1, note="; ".join(notes) or "direct")
