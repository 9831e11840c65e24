"""Behind PgBouncer, which gives each transaction whatever session is free."""

import asyncio
import gzip
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.line import VerifyRequest
from tests.migrations.postgres.databases import SNAPSHOTS, PostgresDatabase, without_comments
from tests.support.pgbouncer import pooled_url, running_pgbouncer
from tests.support.postgres import PostgresServer
from tests.support.process import OutpostProcess

NEWEST = 10
REFERENCE = without_comments(gzip.decompress((SNAPSHOTS / "schema.sql.gz").read_bytes()).decode())


@pytest.fixture(scope="module")
def pgbouncer(postgres: PostgresServer) -> Iterator[int]:
    with running_pgbouncer(postgres) as port:
        yield port


@pytest.fixture
def pooled(database: PostgresDatabase, pgbouncer: int) -> PostgresDatabase:
    """The same database, as it is seen through the pooler."""
    return PostgresDatabase(pooled_url(database.url, pgbouncer))


async def test_every_command_works_and_the_schema_ends_equal(
    database: PostgresDatabase, pooled: PostgresDatabase
) -> None:
    await database.load("v0.5.1")

    coordinator = pooled.coordinator()
    plan = await coordinator.plan()
    applied = await pooled.apply(ahead_bytes=-1)
    status = await coordinator.status()
    found = await coordinator.verify(VerifyRequest(full=True))

    assert len(plan.steps) == len(applied) == NEWEST - 3
    assert status.lines[0].holder is None
    assert found.ok
    assert database.dump() == REFERENCE


async def test_it_says_that_the_original_tools_lock_cannot_be_held(pooled: PostgresDatabase) -> None:
    checks = (await pooled.coordinator().doctor()).checks
    await pooled.apply()

    warning = await pooled.told("warning")
    assert "a pooler is in between" in warning.fields["reason"]
    assert any("POSTGRES_URL should be the server's own" in check.note for check in checks)


async def test_indexes_are_built_in_the_transaction(pooled: PostgresDatabase) -> None:
    await pooled.apply(4)
    plan = await pooled.coordinator().plan()
    await pooled.apply(ahead_bytes=-1)

    assert not [event for event in pooled.events if event.event == "building"]
    assert any("builds indexes of events" in note and "ACCESS EXCLUSIVE" in note for note in plan.steps[0].notes)


async def test_many_at_once_apply_each_migration_once(database: PostgresDatabase, pooled: PostgresDatabase) -> None:
    """Half of them are behind the pooler, half are not: the row is the lock of all."""

    async def apply(through: PostgresDatabase) -> int:
        return len((await through.coordinator().apply(ApplyRequest())).steps)

    answers = await asyncio.gather(*[apply(each) for _ in range(6) for each in (database, pooled)])

    assert sorted(answers) == [0] * 11 + [NEWEST]
    assert await database.value("SELECT count(DISTINCT run) FROM outpost_migrations") == 1


async def test_nothing_of_a_run_stays_in_the_sessions_of_others(pooled: PostgresDatabase) -> None:
    await pooled.apply()

    for name, value in {"lock_timeout": "0", "statement_timeout": "0", "default_transaction_read_only": "off"}.items():
        assert await pooled.value(f"SELECT current_setting('{name}')") == value
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert await pooled.value(locks) == 0


async def test_one_process_after_the_other_finds_sessions_that_others_have_used(
    pooled: PostgresDatabase, tmp_path: Path
) -> None:
    """Also those that name their statements alike."""
    async with OutpostProcess(tmp_path) as outpost:
        del outpost.settings["SQLITE_PATH"]
        outpost.settings["POSTGRES_URL"] = pooled.url

        for command in ("plan", "doctor", "status", "apply --yes", "verify --full", "list", "history", "status"):
            code, out, err = await outpost.run("migrate", *command.split())
            assert code == 0, out + err
        together = await asyncio.gather(*[outpost.run("migrate", "verify", "--full") for _ in range(4)])

    assert [code for code, *_ in together] == [0] * 4, together


async def test_a_run_killed_behind_the_pooler_is_finished_by_the_next(
    database: PostgresDatabase, pooled: PostgresDatabase, tmp_path: Path
) -> None:
    await database.load("v0.5.1")
    failpoint = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "postgres.before_commit:3:kill"}
    async with OutpostProcess(tmp_path) as outpost:
        del outpost.settings["SQLITE_PATH"]
        outpost.settings["POSTGRES_URL"] = pooled.url

        killed, *_ = await outpost.run("migrate", "apply", "--yes", **failpoint)
        await outpost.run("migrate", "unlock", "--yes")
        code, _, err = await outpost.run("migrate", "apply", "--yes")

    assert killed == -signal.SIGKILL
    assert code == 0, err
    assert database.dump() == REFERENCE
