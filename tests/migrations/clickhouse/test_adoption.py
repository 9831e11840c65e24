"""Databases that the original tool has migrated, wholly or in part, are recognised and completed."""

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import DecisionNeeded, Refused
from outpost.migrations.line import VerifyRequest
from tests.support.clickhouse import ClickHouseDatabase
from tests.support.clickhouse_line import BEFORE_013, IDS, ORIGINAL, LineUnderTest, line_under_test


async def _becomes_the_newest(line: LineUnderTest) -> None:
    await line.apply()

    assert await line.states() == ["applied"] * 3
    found = await line.coordinator.verify(VerifyRequest(full=True))
    assert found.ok, found
    assert await line.version_row() == (3, 0)


@pytest.mark.parametrize("version", [0, 1, 2, 3])
async def test_a_version_reached_is_taken_over_and_only_the_rest_is_applied(line: LineUnderTest, version: int) -> None:
    await line.original(version)

    assert await line.states() == ["applied"] * version + ["pending"] * (3 - version)
    await _becomes_the_newest(line)
    history = await line.coordinator.history()
    assert [id_ for run in history for id_ in run.migrations] == list(IDS[version:])


async def test_a_run_that_is_about_another_store_leaves_no_trace(line: LineUnderTest) -> None:
    await line.original(3)
    (ours,) = line.coordinator.lines

    async with line.coordinator.running("apply", ApplyRequest(single_runner=True), []) as run:
        assert await ours.apply(run, until=None) == []

    assert await line.rows("SELECT count() FROM system.tables WHERE database = currentDatabase()") == [(3,)]


async def test_the_oldest_form_of_its_bookkeeping_is_read_and_written_too(line: LineUnderTest) -> None:
    await line.original(1, engine="TinyLog")

    assert await line.states() == ["applied", "pending", "pending"]
    await _becomes_the_newest(line)


@pytest.mark.parametrize(
    ("version", "steps"),
    [(number, steps) for number, statements in ORIGINAL.items() for steps in range(len(statements) + 1)],
)
async def test_a_migration_in_which_the_original_tool_failed_is_completed(
    clickhouse_database: ClickHouseDatabase, version: int, steps: int
) -> None:
    async with line_under_test(clickhouse_database, deployment_id="dp-1") as line:
        await line.original(version, steps=steps)

        assert (await line.states())[version - 1] == "dirty"
        await _becomes_the_newest(line)


async def test_a_failed_migration_whose_tables_are_gone_waits_for_a_person(line: LineUnderTest) -> None:
    await line.original(2, steps=1)
    await line.execute("DROP TABLE events SYNC")

    assert await line.states() == ["incomplete", "in_doubt", "pending"]
    with pytest.raises(DecisionNeeded, match="events is missing") as failure:
        await line.apply()

    assert failure.value.exit_code == 14


async def test_a_row_that_says_more_than_the_schema_shows_is_not_believed(line: LineUnderTest) -> None:
    await line.original(2)
    await line.execute("INSERT INTO schema_migrations SELECT 3, 0, toUnixTimestamp64Nano(now64(9))")

    assert await line.states() == ["applied", "applied", "incomplete"]
    await _becomes_the_newest(line)


async def test_tables_without_bookkeeping_are_completed(line: LineUnderTest) -> None:
    await line.execute(*ORIGINAL[1], *ORIGINAL[2])

    assert await line.states() == ["pending"] * 3
    await _becomes_the_newest(line)


async def test_empty_tables_of_releases_before_0_13_are_made_anew(line: LineUnderTest) -> None:
    await line.original(0)
    await line.execute(*BEFORE_013, "INSERT INTO schema_migrations SELECT 1, 0, 1")

    assert await line.states() == ["incomplete", "pending", "pending"]
    await _becomes_the_newest(line)
    assert await line.coordinator.cleanup_plan() == []


async def test_rows_of_releases_before_0_13_are_kept_aside(line: LineUnderTest) -> None:
    await line.original(0)
    await line.execute(
        *BEFORE_013,
        "INSERT INTO schema_migrations SELECT 1, 0, 1",
        "INSERT INTO events (id) VALUES ('evt_1')",
        "INSERT INTO deliveries (id) VALUES ('del_1'), ('del_2')",
    )

    notes = (await line.coordinator.plan()).steps[0].notes
    assert "events is a table of a release before 0.13 (1 rows); it is kept as outpost_kept_events" in notes
    await _becomes_the_newest(line)

    kept = {item.what: item.count for item in await line.coordinator.cleanup_plan()}
    assert kept == {"outpost_kept_events": 1, "outpost_kept_deliveries": 2}
    assert await line.rows("SELECT id FROM outpost_kept_events") == [("evt_1",)]


async def test_the_original_tool_failing_on_tables_before_0_13_is_mended(line: LineUnderTest) -> None:
    await line.original(0)
    await line.execute(
        *BEFORE_013,
        "ALTER TABLE events ADD COLUMN matched_destination_ids Array(String) DEFAULT []",
        "ALTER TABLE events DROP COLUMN destination_id",
        "INSERT INTO schema_migrations SELECT 3, 1, 1",
    )

    assert await line.states() == ["incomplete"] * 3
    await _becomes_the_newest(line)


async def test_a_table_of_another_program_is_refused_and_untouched(line: LineUnderTest) -> None:
    await line.execute("CREATE TABLE events (mine Int64) ENGINE MergeTree ORDER BY mine")

    with pytest.raises(Refused, match="events is a table of another program") as failure:
        await line.apply()

    assert failure.value.exit_code == 16
    assert await line.rows("SELECT name FROM system.tables WHERE database = currentDatabase()") == [("events",)]


async def test_the_state_before_is_named_until_the_step_is_applied(line: LineUnderTest) -> None:
    await line.original(3, steps=1)

    (state,) = await line.coordinator.pending()

    assert state.id == IDS[2]
    assert "not all of it is in the schema" in state.detail
