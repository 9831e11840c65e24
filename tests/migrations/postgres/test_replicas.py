"""A standby is read and never written, and nothing gets further ahead of one than was allowed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from outpost.migrations.run import Limits
from tests.migrations.postgres.databases import PostgresDatabase
from tests.support.postgres import PostgresServer, running_standby
from tests.support.process import OutpostProcess

_EVENT = "INSERT INTO events VALUES ('evt', 't', '', '2025-01-01', 'topic', true, '{}', '{}')"
_DELIVERIES = """
INSERT INTO deliveries
SELECT n::text, 'evt', 'des', 'success', timestamptz '2025-01-02' + n * interval '1 s'
  FROM generate_series(1, 1000) AS n"""


@pytest.fixture(scope="module")
def standby_server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    with running_standby(postgres) as server:
        yield server


@pytest.fixture
async def standby(database: PostgresDatabase, standby_server: PostgresServer) -> AsyncIterator[PostgresDatabase]:
    """The same database on the standby; it may be made to pause."""
    standby = PostgresDatabase(standby_server.url(database.target.database))
    await _followed(database, standby)
    yield standby
    await standby.execute("SELECT pg_wal_replay_resume()")


async def _followed(database: PostgresDatabase, standby: PostgresDatabase) -> None:
    """Wait until the standby has all that the primary has committed."""
    written = await database.value("SELECT pg_current_wal_lsn()::text")
    server = PostgresDatabase(standby.url.replace(standby.target.database, "postgres"))
    async with asyncio.timeout(20):
        while not await server.value("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("applied", [0, 9], ids=["new", "begun"])
async def test_apply_on_a_standby_is_refused_and_says_where_to_go(
    database: PostgresDatabase, standby: PostgresDatabase, tmp_path: Path, applied: int
) -> None:
    if applied:
        await database.apply(applied)
    await _followed(database, standby)
    async with OutpostProcess(tmp_path) as outpost:
        del outpost.settings["SQLITE_PATH"]
        outpost.settings["POSTGRES_URL"] = standby.url

        code, _, err = await outpost.run("migrate", "apply", "--yes")
        reading = [await outpost.run("migrate", command) for command in ("plan", "status", "list", "history", "verify")]
        doctor, out, _ = await outpost.run("migrate", "doctor")

    assert code == 16
    assert "the server is a read-only standby" in err
    primary = f"127.0.0.1:{database.target.ports[0]}"
    assert f"name the primary server in POSTGRES_URL; this one follows {primary}" in err
    assert [read for read, *_ in reading] == [0, 0, 0, 0, 15], reading
    assert doctor == 16
    assert "primary" in out
    assert database.target.password not in err + out


async def test_on_a_standby_of_a_migrated_server_there_is_nothing_to_do(
    database: PostgresDatabase, standby: PostgresDatabase
) -> None:
    await database.apply()
    await _followed(database, standby)

    assert await standby.apply() == []


async def test_batches_wait_for_a_standby_that_has_paused_and_go_on_when_it_follows(
    database: PostgresDatabase, standby: PostgresDatabase
) -> None:
    await database.apply(4)
    await database.execute(_EVENT, _DELIVERIES)
    await _followed(database, standby)
    await standby.execute("SELECT pg_wal_replay_pause()")

    limits = Limits(batch=10, max_replica_lag_seconds=0.1)
    applying = asyncio.create_task(database.apply(5, limits=limits))
    throttled = await database.told("throttled")
    waits = not applying.done()
    await standby.execute("SELECT pg_wal_replay_resume()")
    await applying
    await _followed(database, standby)

    assert waits
    assert throttled.fields["reason"].startswith("a replica is ")
    assert await standby.value("SELECT count(*) FROM attempts WHERE tenant_id = 't'") == 1000


async def test_nobody_waits_for_a_standby_that_is_allowed_to_be_late(
    database: PostgresDatabase, standby: PostgresDatabase
) -> None:
    await database.apply(4)
    await database.execute(_EVENT, _DELIVERIES)
    await _followed(database, standby)
    await standby.execute("SELECT pg_wal_replay_pause()")

    await database.apply(5, limits=Limits(batch=100, max_replica_lag_seconds=600))

    assert not [event for event in database.events if event.event == "throttled"]
