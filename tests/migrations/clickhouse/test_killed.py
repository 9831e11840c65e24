"""`outpost migrate` on ClickHouse as a process: killed anywhere, told what is wrong, and gating the server."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clickhouse import ClickHouseDatabase
from tests.support.clickhouse_line import BEFORE_013, LineUnderTest, line_under_test
from tests.support.process import OutpostProcess, free_port

APPLY = ("migrate", "--sql-only", "apply", "--yes", "--single-runner", "--batch", "4")
_EVENTS = """
INSERT INTO `$events` (event_id, destination_id, event_time)
SELECT toString(number), concat('des_', toString(number)), toDateTime64('2025-11-30 23:59:50', 3) + number
  FROM numbers(20)"""


@pytest.fixture
async def line(clickhouse_database: ClickHouseDatabase) -> AsyncIterator[LineUnderTest]:
    async with line_under_test(clickhouse_database, deployment_id="dp-1") as line:
        yield line


@pytest.fixture
async def outpost(tmp_path: Path, clickhouse_database: ClickHouseDatabase) -> AsyncIterator[OutpostProcess]:
    settings = {
        "CLICKHOUSE_HTTP_URL": clickhouse_database.url,
        "CLICKHOUSE_USERNAME": clickhouse_database.user,
        "CLICKHOUSE_PASSWORD": clickhouse_database.password,
        "CLICKHOUSE_DATABASE": clickhouse_database.database,
        "DEPLOYMENT_ID": "dp-1",
    }
    async with OutpostProcess(tmp_path, settings) as outpost:
        del outpost.settings["SQLITE_PATH"]
        yield outpost


@pytest.mark.parametrize(
    "place",
    [
        "before_statement:1",
        "before_statement:4",
        "after_statement:4",
        "before_window:2",
        "after_window:2",
        "after_window:7",
        "before_statement:6",
        "after_statement:6",
        "before_record:1",
        "between_records:1",
        "after_record:1",
        "before_statement:7",
        "after_statement:7",
        "before_record:2",
        "between_records:2",
    ],
)
async def test_a_run_killed_anywhere_is_finished_by_the_next(
    outpost: OutpostProcess, line: LineUnderTest, place: str
) -> None:
    await line.original(1)
    await line.execute(_EVENTS)
    failpoint = {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": f"clickhouse.{place}:kill"}

    killed, *_ = await outpost.run(*APPLY, **failpoint)
    pending = await line.coordinator.pending()
    code, _, err = await outpost.run(*APPLY)
    verified, out, _ = await outpost.run("migrate", "--sql-only", "verify", "--full")

    assert killed == -signal.SIGKILL
    assert pending
    assert (code, verified) == (0, 0), err + out
    filled = "SELECT count() FROM `$events` WHERE matched_destination_ids = [concat('des_', event_id)]"
    assert await line.rows(filled) == [(20,)]
    assert await line.version_row() == (3, 0)


async def test_old_tables_half_moved_aside_are_moved_by_the_next_run(
    outpost: OutpostProcess, clickhouse_database: ClickHouseDatabase
) -> None:
    del outpost.settings["DEPLOYMENT_ID"]
    async with line_under_test(clickhouse_database) as line:
        await line.original(0)
        await line.execute(*BEFORE_013, "INSERT INTO schema_migrations SELECT 1, 0, 1")
        failpoint = {
            "OUTPOST_MIGRATE_TESTING": "1",
            "OUTPOST_MIGRATE_FAILPOINT": "clickhouse.before_move:2:kill",
        }

        killed, *_ = await outpost.run(*APPLY, **failpoint)
        code, _, err = await outpost.run(*APPLY)

        assert (killed, code) == (-signal.SIGKILL, 0), err
        assert await line.states() == ["applied"] * 3


async def test_alone_it_asks_for_the_promise_of_a_single_runner(outpost: OutpostProcess) -> None:
    code, _, err = await outpost.run("migrate", "--sql-only", "apply", "--yes")

    assert code == 16
    assert "--single-runner" in err


async def test_a_wrong_password_is_16_and_shown_nowhere(outpost: OutpostProcess) -> None:
    code, out, err = await outpost.run("migrate", "--sql-only", "plan", CLICKHOUSE_PASSWORD="hunter2")

    assert code == 16
    assert "CLICKHOUSE_PASSWORD" in err
    assert "hunter2" not in out + err


async def test_a_server_that_is_not_there_is_17_and_says_how_its_port_was_found(outpost: OutpostProcess) -> None:
    del outpost.settings["CLICKHOUSE_HTTP_URL"]
    port = free_port()

    code, _, err = await outpost.run("migrate", "--sql-only", "plan", CLICKHOUSE_ADDR=f"127.0.0.1:{port}")

    assert code == 17
    assert f"http://127.0.0.1:{port}" in err
    assert "8123 where the address names 9000" in err
    assert "CLICKHOUSE_HTTP_URL" in err


async def test_it_is_migrated_beside_postgres_too(outpost: OutpostProcess) -> None:
    _, out, _ = await outpost.run("migrate", "--sql-only", "plan", POSTGRES_URL="postgres://127.0.0.1:1/outpost")

    assert "clickhouse http://127.0.0.1" in out.splitlines()[0]
