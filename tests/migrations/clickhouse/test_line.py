"""The ClickHouse line on the real engine, driven as the commands drive it."""

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import DataIsNewer, DecisionNeeded, Refused, Unreachable
from outpost.migrations.line import VerifyRequest
from tests.support.clickhouse import ClickHouseDatabase
from tests.support.clickhouse_line import IDS, LineUnderTest, line_under_test
from tests.support.process import free_port


async def test_reading_creates_nothing(line: LineUnderTest) -> None:
    coordinator = line.coordinator

    assert [state.id for state in await coordinator.pending()] == list(IDS)
    assert [step.id for step in (await coordinator.plan()).steps] == list(IDS)
    await coordinator.status()
    await coordinator.verify(VerifyRequest())
    await coordinator.doctor()
    await coordinator.history()
    assert await line.rows("SELECT name FROM system.tables WHERE database = currentDatabase()") == []


async def test_a_fresh_database_becomes_the_snapshot_and_the_original_tool_can_read_it(line: LineUnderTest) -> None:
    applied = await line.apply()

    assert [(step.id, step.state) for step in applied.steps] == [(id_, "applied") for id_ in IDS]
    found = await line.coordinator.verify(VerifyRequest(full=True))
    assert found.ok, found
    rows = await line.rows("SELECT version, dirty FROM schema_migrations ORDER BY sequence")
    assert rows == [(1, 1), (1, 0), (2, 1), (2, 0), (3, 1), (3, 0)]
    (run,) = await line.coordinator.history()
    assert (run.command, run.outcome, run.migrations) == ("apply", "ok", list(IDS))


async def test_applying_again_does_nothing(line: LineUnderTest) -> None:
    await line.apply()
    before = await line.rows("SELECT count() FROM outpost_migrations")

    assert (await line.apply()).steps == []

    assert await line.rows("SELECT count() FROM outpost_migrations") == before


async def test_it_stops_after_the_migration_that_was_named(line: LineUnderTest) -> None:
    await line.apply(until=IDS[1])

    assert await line.states() == ["applied", "applied", "pending"]


async def test_without_a_store_that_can_hold_a_lock_a_person_must_promise(line: LineUnderTest) -> None:
    with pytest.raises(Refused, match="--single-runner"):
        await line.coordinator.apply(ApplyRequest())

    assert await line.states() == ["pending"] * 3


@pytest.mark.parametrize("deployment_id", ["dp-1", "a_b", "Z" * 64])
async def test_every_table_carries_the_deployment_id(
    clickhouse_database: ClickHouseDatabase, deployment_id: str
) -> None:
    async with line_under_test(clickhouse_database, deployment_id=deployment_id) as line:
        await line.apply()

        assert (await line.coordinator.verify(VerifyRequest())).ok
        tables = {
            name for (name,) in await line.rows("SELECT name FROM system.tables WHERE database = currentDatabase()")
        }
        assert {f"{deployment_id}_{name}" for name in ("events", "attempts", "schema_migrations")} <= tables
        assert all(name.startswith(f"{deployment_id}_") for name in tables)


async def test_deployments_whose_names_resemble_each_other_are_not_confused(
    clickhouse_database: ClickHouseDatabase,
) -> None:
    async with line_under_test(clickhouse_database, deployment_id="axb") as other:
        await other.apply()
    async with line_under_test(clickhouse_database, deployment_id="a_b") as line:
        assert await line.states() == ["pending"] * 3

        await line.apply()

        assert await line.states() == ["applied"] * 3


async def test_newer_data_is_left_alone_and_named(line: LineUnderTest) -> None:
    await line.apply()
    await line.execute("INSERT INTO schema_migrations SELECT 4, 0, toUnixTimestamp64Nano(now64(9))")

    with pytest.raises(DataIsNewer, match="clickhouse/000004") as failure:
        await line.coordinator.pending()

    assert failure.value.exit_code == 18


async def test_an_edited_file_is_a_decision(line: LineUnderTest) -> None:
    await line.apply()
    await line.execute(
        "ALTER TABLE outpost_migrations UPDATE checksum = 'another' WHERE number = 2 SETTINGS mutations_sync = 2"
    )

    with pytest.raises(DecisionNeeded, match="another text") as failure:
        await line.coordinator.plan()

    assert failure.value.exit_code == 14


async def test_a_wrong_password_is_refused_and_not_shown(clickhouse_database: ClickHouseDatabase) -> None:
    async with line_under_test(clickhouse_database, password="hunter2") as line:
        with pytest.raises(Refused, match="CLICKHOUSE_PASSWORD") as failure:
            await line.coordinator.pending()

    assert failure.value.exit_code == 16
    assert "hunter2" not in str(failure.value)


async def test_a_missing_database_is_named_with_the_statement_that_makes_it(
    clickhouse_database: ClickHouseDatabase,
) -> None:
    missing = ClickHouseDatabase(clickhouse_database.url, "nowhere")
    async with line_under_test(missing) as line:
        with pytest.raises(Refused, match="CREATE DATABASE nowhere"):
            await line.coordinator.pending()


async def test_a_server_that_is_not_there_is_named_with_its_origin() -> None:
    away = ClickHouseDatabase(f"http://127.0.0.1:{free_port()}", "outpost")
    async with line_under_test(away) as line:
        with pytest.raises(Unreachable, match=f"{away.url}.*CLICKHOUSE_HTTP_URL") as failure:
            await line.coordinator.pending()

    assert failure.value.exit_code == 17


async def test_a_changed_schema_is_a_difference(line: LineUnderTest) -> None:
    await line.apply()
    await line.execute(
        "ALTER TABLE events DROP INDEX idx_topic",
        "ALTER TABLE events ADD COLUMN extra String AFTER topic",
        "ALTER TABLE attempts MODIFY COLUMN code LowCardinality(String)",
        "ALTER TABLE attempts MODIFY TTL toDateTime(attempt_time) + INTERVAL 3000 DAY",
    )

    found = await line.coordinator.verify(VerifyRequest())

    assert {text for check in found.checks for text in check.differences} == {
        "index events.idx_topic is missing",
        "column events.extra is not of the migrations",
        "column attempts.code differs from the migrations",
    }


async def test_columns_in_another_order_are_a_difference(line: LineUnderTest) -> None:
    await line.apply()
    await line.execute("ALTER TABLE events MODIFY COLUMN topic String FIRST")

    found = await line.coordinator.verify(VerifyRequest())

    assert any("another order" in text for check in found.checks for text in check.differences)


async def test_a_version_the_original_tool_would_misread_is_a_difference(line: LineUnderTest) -> None:
    await line.apply()
    await line.execute("INSERT INTO schema_migrations SELECT 3, 1, toUnixTimestamp64Nano(now64(9))")

    found = await line.coordinator.verify(VerifyRequest())

    assert ["schema_migrations says 3, dirty instead of 3"] in [check.differences for check in found.checks]


async def test_the_plan_shows_statements_as_they_are_sent(clickhouse_database: ClickHouseDatabase) -> None:
    async with line_under_test(clickhouse_database, deployment_id="dp-1", cluster="main") as line:
        steps = (await line.coordinator.plan(quick=True)).steps

    created = steps[0].statements[0]
    assert created.startswith("CREATE TABLE IF NOT EXISTS `dp-1_events` ON CLUSTER `main` (")
    assert "ENGINE = ReplicatedReplacingMergeTree\n" in created
    (destroyed,) = steps[1].destructive
    assert destroyed.startswith("ALTER TABLE `dp-1_events` ON CLUSTER `main` ADD COLUMN")
    assert destroyed.endswith("(kept in dp-1_outpost_kept_event_destinations)")
