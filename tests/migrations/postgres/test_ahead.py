"""Indexes of large tables are built while others read and write, and end as if the script had built them."""

import asyncio
import gzip
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from outpost.clients.postgres import connect
from outpost.migrations.sql.postgres.ahead import chosen_name
from outpost.migrations.sql.postgres.shape import drift
from tests.migrations.postgres.databases import SNAPSHOTS, PostgresDatabase, without_comments
from tests.support.process import OutpostProcess

NEWEST = 10
REFERENCE = without_comments(gzip.decompress((SNAPSHOTS / "schema.sql.gz").read_bytes()).decode())
EVERY_TABLE = -1  # as if it were large
_LARGE = """
INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
SELECT 'evt_' || n, 't', '', '2025-01-01', 'topic', true, jsonb_build_object('x', repeat(md5(n::text), 30)), '{}'
  FROM generate_series(1, 10000) AS n"""
_OURS = "SELECT relname FROM pg_class WHERE relname LIKE 'outpost_ahead%' ORDER BY relname"
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'killed'"
_HOLDER = "SELECT owner::json #>> '{owner,pid}' FROM outpost_migration_lease"
_INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


@asynccontextmanager
async def _writing(database: PostgresDatabase) -> AsyncIterator[None]:
    """A transaction that has written an event and is not at its end, which the building of an index waits for."""
    event = "INSERT INTO events VALUES ('open', 't', '', now(), 'topic', true, '{}', '{}')"
    async with connect(database.target, application="another program") as connection, connection.transaction():
        await connection.execute(event)
        yield


async def _building(database: PostgresDatabase) -> None:
    """Wait until an index is in the works."""
    async with asyncio.timeout(20):
        while not await database.value(_INVALID):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("release", ["v0.5.1", "v1.1.0"])
async def test_the_schema_ends_equal_to_the_last_name(database: PostgresDatabase, release: str) -> None:
    await database.load(release)

    await database.apply(ahead_bytes=EVERY_TABLE)

    assert database.dump() == REFERENCE
    assert await database.rows(_OURS) == []


async def test_every_partition_gets_its_indexes(database: PostgresDatabase) -> None:
    name = "deliveries_in_the_first_half_of_2025_of_the_large_shop"
    await database.apply(4)
    await database.execute(
        f"CREATE TABLE {name} PARTITION OF deliveries FOR VALUES FROM ('2025-01-01') TO ('2025-07-01')"
    )

    await database.apply(ahead_bytes=EVERY_TABLE)

    off = drift(await database.shape(), NEWEST)
    assert (off.missing, off.older, off.foreign) == ([], [], [])
    assert await database.value("SELECT count(*) FROM pg_indexes WHERE tablename = $1", name) == 8
    assert await database.value(_INVALID) == 0
    assert await database.rows(_OURS) == []


@pytest.mark.parametrize("passed", [1, 2, 9, 10, 11])
async def test_a_run_stopped_after_any_index_is_finished_by_the_next(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch, passed: int
) -> None:
    await database.apply(4)

    await database.apply_until("postgres.after_index", passed, monkeypatch, ahead_bytes=EVERY_TABLE)
    await database.apply(ahead_bytes=EVERY_TABLE)

    assert database.dump() == REFERENCE
    assert await database.rows(_OURS) == []


async def test_indexes_that_a_stopped_run_has_built_are_not_built_again(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.apply(4)
    await database.apply_until("postgres.after_index", 9, monkeypatch, ahead_bytes=EVERY_TABLE)
    built = await database.rows("SELECT oid::bigint FROM pg_class WHERE relname LIKE 'outpost_ahead%'")

    await database.apply(5, ahead_bytes=EVERY_TABLE)

    kept = await database.rows("SELECT oid::bigint FROM pg_class WHERE relname ~ '^(events|attempts)_default_.*idx$'")
    assert len(built) == 8  # the first of the nine has its place already
    assert set(built) <= set(kept)


async def test_an_index_left_invalid_is_built_anew(database: PostgresDatabase) -> None:
    await database.apply(4)
    leaf = await database.value("SELECT 'events_default'::regclass::oid::bigint")
    async with _writing(database), connect(database.target, application="killed") as killed:
        name = f"outpost_ahead_5_2_{leaf}"
        building = asyncio.create_task(killed.execute(f"CREATE INDEX CONCURRENTLY {name} ON events_default (id)"))
        await _building(database)
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'killed'"
        )
        await asyncio.wait([building])
        assert building.exception() is not None
    left = await database.value(_INVALID)

    await database.apply(ahead_bytes=EVERY_TABLE)

    assert left == 1
    assert await database.value(_INVALID) == 0
    assert await database.rows(_OURS) == []


async def test_others_write_while_an_index_is_built(database: PostgresDatabase) -> None:
    await database.apply(4)

    async with _writing(database):
        applying = asyncio.create_task(database.apply(5, ahead_bytes=EVERY_TABLE))
        await _building(database)
        async with asyncio.timeout(5), _writing(database):
            still_building = await database.value(_INVALID)
    await applying

    assert still_building == 1


async def test_where_an_index_of_the_operator_is_taken_instead_ours_is_removed(database: PostgresDatabase) -> None:
    await database.apply(4)
    await database.execute("CREATE INDEX mine ON events_default (id)")

    await database.apply(5, ahead_bytes=EVERY_TABLE)

    assert await database.rows(_OURS) == []
    assert await database.value(_INVALID) == 0


async def test_a_process_killed_while_it_builds_an_index_is_followed_by_one_that_ends_equal(
    database: PostgresDatabase, tmp_path: Path
) -> None:
    await database.apply(4)
    await database.execute(_LARGE)
    async with OutpostProcess(tmp_path) as outpost:
        del outpost.settings["SQLITE_PATH"]
        outpost.settings["POSTGRES_URL"] = database.url
        async with _writing(database):
            applying = asyncio.create_task(outpost.run("migrate", "apply", "--yes"))
            await _building(database)
            os.kill(int(await database.value(_HOLDER)), signal.SIGKILL)
            await applying
            await outpost.run("migrate", "unlock", "--yes")
        code, _, err = await outpost.run("migrate", "apply", "--yes")

    assert code == 0, err
    assert database.dump() == REFERENCE
    assert await database.rows(_OURS) == []


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("attempts_default", ["tenant_id", "destination_type", "time", "id"]),
        ("attempts_of_the_largest_customer_we_have_in_2025", ["tenant_id", "destination_type", "time", "id"]),
        ("t", ["a_column_with_a_rather_long_name_indeed", "another_column_with_a_long_name"]),
    ],
)
async def test_names_are_those_that_postgres_chooses(
    database: PostgresDatabase, table: str, columns: list[str]
) -> None:
    await database.execute(
        f"CREATE TABLE {table} ({', '.join(f'{column} text' for column in columns)})",
        f"CREATE INDEX ON {table} ({', '.join(columns)})",
    )

    found = await database.value("SELECT indexname::text FROM pg_indexes WHERE tablename = $1", table)

    assert chosen_name(table, columns, "idx") == found
