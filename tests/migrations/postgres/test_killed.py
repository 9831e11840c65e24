"""A run that is killed anywhere is finished by the next one, and ends in the same rows."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.migrations.postgres.databases import PostgresDatabase
from tests.support.process import OutpostProcess

TABLES = {
    "attempts": "time, id",
    "events": "time, id",
    "outpost_kept_orphan_deliveries": "time, id",
    "outpost_kept_event_destinations": "time, id",
    "outpost_kept_event_delivery_index": "delivery_time, delivery_id",
}
# Each is passed so many times: the statements of the files, the transactions, the batches of 100 rows.
PLACES = [
    "postgres.statement:4",
    "postgres.after_commit:1",
    "postgres.before_commit:2",
    "postgres.after_commit:2",
    "postgres.batch:1",
    "postgres.after_commit:5",
    "postgres.batch:6",
    "postgres.batch:10",
    "postgres.statement:8",
    "postgres.before_commit:13",
    "postgres.batch:11",
    "postgres.before_commit:20",
]


@pytest.fixture
async def outpost(database: PostgresDatabase, tmp_path: Path) -> AsyncIterator[OutpostProcess]:
    async with OutpostProcess(tmp_path) as outpost:
        del outpost.settings["SQLITE_PATH"]
        outpost.settings["POSTGRES_URL"] = database.url
        yield outpost


async def _load(database: PostgresDatabase) -> None:
    await database.load("v0.5.1")
    await database.execute(
        "INSERT INTO deliveries VALUES ('lost', 'no such event', 'des', 'failed', '2025-01-01', '500', '{\"a\": 1}')"
    )


async def _rows(database: PostgresDatabase) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {table: await database.records(table, order) for table, order in TABLES.items()}


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """What a run that nothing happened to has made; filled by the first test that needs it."""
    return {}


async def _expected(undisturbed: dict[str, Any], postgres: Any) -> Mapping[str, Any]:
    if not undisturbed:
        with postgres.fresh_database() as url:
            other = PostgresDatabase(url)
            await _load(other)
            await other.apply()
            undisturbed.update(await _rows(other))
    return undisturbed


@pytest.mark.parametrize("place", PLACES)
async def test_the_next_run_finishes_what_a_killed_one_began(
    database: PostgresDatabase, outpost: OutpostProcess, place: str, undisturbed: dict[str, Any], postgres: Any
) -> None:
    await _load(database)
    failpoint = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": f"{place}:kill"}

    killed, *_ = await outpost.run("migrate", "apply", "--yes", "--batch", "100", **failpoint)
    _, locked, _ = await outpost.run("migrate", "status")
    await outpost.run("migrate", "unlock", "--yes")
    code, _, err = await outpost.run("migrate", "apply", "--yes", "--batch", "100")

    assert killed == -signal.SIGKILL
    assert "held by" in locked
    assert code == 0, err
    assert await _rows(database) == await _expected(undisturbed, postgres)
    verified, out, _ = await outpost.run("migrate", "verify", "--full")
    assert verified == 0, out


async def test_with_nothing_but_the_url_every_command_works(outpost: OutpostProcess) -> None:
    outpost.settings = {"POSTGRES_URL": outpost.settings["POSTGRES_URL"]}

    for command in ("plan", "list", "status", "verify", "history", "doctor"):
        _, out, err = await outpost.run("migrate", command)
        assert out.startswith("Stores    postgres 127.0.0.1:"), err
    first, out, err = await outpost.run("migrate", "apply", "--yes")
    second, again, _ = await outpost.run("migrate", "apply", "--yes")

    assert (first, second) == (0, 0), err
    assert "postgres/000010_rename_attempts_pkey" in out
    assert "Nothing to do" in again


async def test_a_failed_run_frees_its_lock_and_is_finished_by_the_next(
    database: PostgresDatabase, outpost: OutpostProcess
) -> None:
    await _load(database)
    failpoint = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "postgres.batch:2:raise"}

    failed, _, err = await outpost.run("migrate", "apply", "--yes", "--batch", "100", **failpoint)
    again, *_ = await outpost.run("migrate", "apply", "--yes", "--lock-timeout", "0")

    assert failed == 13, err
    assert again == 0


async def test_a_run_that_was_suspended_in_a_transaction_is_evicted_and_commits_nothing_when_it_wakes(
    database: PostgresDatabase, outpost: OutpostProcess
) -> None:
    await _load(database)
    failpoint = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": "postgres.before_commit:2:stop"}

    suspended = asyncio.create_task(outpost.run("migrate", "apply", "--yes", **failpoint))
    pid = await _stopped(database)
    await outpost.run("migrate", "unlock", "--yes")
    code, _, err = await outpost.run("migrate", "apply", "--yes")
    os.kill(pid, signal.SIGCONT)
    woken, _, why = await suspended

    assert code == 0, err
    assert woken == 12, why
    assert len(set(await database.rows("SELECT run FROM outpost_migrations WHERE number > 4"))) == 1


async def _stopped(database: PostgresDatabase) -> int:
    """Wait until the process that holds the lock is suspended; return its number."""
    async with asyncio.timeout(20):
        while True:
            owner = await database.rows("SELECT to_regclass('outpost_migration_lease') IS NOT NULL")
            if owner == [(True,)]:
                ((text,),) = await database.rows("SELECT owner FROM outpost_migration_lease")
                pid = re.search(r'"pid":(\d+)', text or "")
                if pid and Path(f"/proc/{pid[1]}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                    return int(pid[1])
            await asyncio.sleep(0.02)
