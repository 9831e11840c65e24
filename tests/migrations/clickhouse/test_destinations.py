"""Migration 2 fills `matched_destination_ids` from the old column and from the attempts, and keeps what it read."""

from collections.abc import Sequence

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import Refused
from outpost.migrations.line import VerifyRequest
from outpost.migrations.sql.clickhouse.catalog import KEPT_EVENT_DESTINATIONS
from tests.support.clickhouse_line import LineUnderTest

_EVENTS = """
INSERT INTO `$events` (event_id, tenant_id, destination_id, topic, eligible_for_retry, event_time, metadata, data)
SELECT concat('evt_', toString(number)), 'acme', if(number % 3 = 0, concat('des_', toString(number % 5)), ''), 'order',
       true, toDateTime64('2025-11-20 10:00:00.123', 3) + number * 40000, '{}', '{"a":1}'
  FROM numbers(60)"""
_ATTEMPTS = """
INSERT INTO `$attempts` (event_id, tenant_id, destination_id, event_time, attempt_id, status, attempt_time)
SELECT event_id, tenant_id, concat('des_', toString(try)), event_time, concat(event_id, toString(try)), 'failed',
       event_time + try * 1000
  FROM `$events` ARRAY JOIN range(toUInt32(sipHash64(event_id) % 4)) AS try"""
_EXPECTED = """
SELECT event_id, arraySort(groupUniqArray(destination)) FROM (
    SELECT event_id, destination_id AS destination FROM `$events` WHERE destination_id != ''
    UNION ALL SELECT event_id, destination_id FROM `$attempts`)
 GROUP BY event_id ORDER BY event_id"""
_FOUND = """
SELECT event_id, matched_destination_ids FROM `$events` WHERE notEmpty(matched_destination_ids) ORDER BY event_id"""


async def _filled(line: LineUnderTest) -> Sequence[tuple[str, list[str]]]:
    """Fill a database of version 1 and return which destinations each event should know."""
    await line.original(1)
    await line.execute(_EVENTS, _ATTEMPTS)
    expected = await line.rows(_EXPECTED)
    assert len(expected) > 30
    return [(event, destinations) for event, destinations in expected]


@pytest.mark.parametrize("batch", [None, 7])
async def test_every_event_knows_the_destinations_of_its_column_and_its_attempts(
    line: LineUnderTest, batch: int | None
) -> None:
    expected = await _filled(line)
    others = await line.rows("SELECT * EXCEPT destination_id FROM events ORDER BY event_id")

    await line.apply(batch=batch)

    assert await line.rows(_FOUND) == expected
    assert await line.rows("SELECT * EXCEPT matched_destination_ids FROM events ORDER BY event_id") == others
    found = await line.coordinator.verify(VerifyRequest(full=True))
    assert found.ok
    assert found.checks[-1].compared == sum(len(destinations) for _, destinations in expected)


async def test_rows_repeated_within_one_time_are_folded_and_keep_their_destinations(line: LineUnderTest) -> None:
    expected = await _filled(line)
    await line.execute(_EVENTS, _EVENTS)

    await line.apply(batch=7)

    assert await line.rows(_FOUND) == expected
    assert await line.rows("SELECT count(), uniqExact(event_id) FROM events") == [(60, 60)]


async def test_more_events_at_one_time_than_a_batch_holds_are_moved(line: LineUnderTest) -> None:
    await line.original(1)
    await line.execute(
        "INSERT INTO events (event_id, destination_id, event_time) "
        "SELECT toString(number), 'des_1', toDateTime64('2025-11-20 10:00:00', 3) FROM numbers(20)"
    )

    await line.apply(batch=3)

    assert await line.rows("SELECT count() FROM events WHERE matched_destination_ids = ['des_1']") == [(20,)]


@pytest.mark.parametrize("moment", ["1900-01-01 00:00:00.000", "1970-01-01 00:00:00.000", "2299-12-31 00:00:00.000"])
async def test_events_of_any_time_are_moved(line: LineUnderTest, moment: str) -> None:
    await line.original(1)
    await line.execute(f"INSERT INTO events (event_id, destination_id, event_time) VALUES ('evt', 'des', '{moment}')")

    await line.apply()

    assert await line.rows(_FOUND) == [("evt", ["des"])]


async def test_what_the_original_tool_wrote_since_is_kept_and_completed(line: LineUnderTest) -> None:
    await line.original(2, steps=2)
    await line.execute(
        "INSERT INTO events (event_id, destination_id, event_time, matched_destination_ids) "
        "VALUES ('evt_1', 'des_1', 1700000000, ['des_2']), ('evt_2', '', 1700000000, ['des_3'])"
    )

    await line.apply()

    assert await line.rows(_FOUND) == [("evt_1", ["des_1", "des_2"]), ("evt_2", ["des_3"])]


async def test_where_the_column_is_gone_the_attempts_still_tell(line: LineUnderTest) -> None:
    await line.original(1)
    await line.execute(_EVENTS, _ATTEMPTS)
    await line.execute(
        "ALTER TABLE events DROP INDEX idx_destination_id",
        "ALTER TABLE events DROP COLUMN destination_id",
        "INSERT INTO schema_migrations SELECT 2, 1, toUnixTimestamp64Nano(now64(9))",
    )

    await line.apply()

    expected = await line.rows(
        "SELECT event_id, arraySort(groupUniqArray(destination_id)) FROM attempts GROUP BY event_id ORDER BY event_id"
    )
    assert await line.rows(_FOUND) == expected


async def test_what_the_original_tool_has_finished_is_left_as_it_made_it(line: LineUnderTest) -> None:
    """An event without destinations may have matched none: nobody can tell it from one that lost them."""
    await line.original(2)
    await line.execute(
        "INSERT INTO events (event_id, event_time) VALUES ('evt_1', 1700000000)",
        "INSERT INTO attempts (event_id, destination_id, event_time) VALUES ('evt_1', 'des', 1700000000)",
    )

    applied = await line.apply()

    assert [state.id for state in applied.steps] == ["clickhouse/000003_attempt_destination_type"]
    assert await line.rows("SELECT event_id, matched_destination_ids FROM events") == [("evt_1", [])]
    assert (await line.coordinator.verify(VerifyRequest(full=True))).ok


async def test_lost_destinations_are_found_and_named(line: LineUnderTest) -> None:
    await _filled(line)
    await line.apply()
    await line.execute(
        "ALTER TABLE events UPDATE matched_destination_ids = [] WHERE event_id = 'evt_3' SETTINGS mutations_sync = 2"
    )

    for request in (VerifyRequest(full=True), VerifyRequest(sample=10_000, seed=1)):
        check = (await line.coordinator.verify(request)).checks[-1]

        assert check.different >= 1
        assert "event evt_3 does not name des_3" in check.differences


async def test_a_sample_is_as_large_as_was_asked_and_can_be_repeated(line: LineUnderTest) -> None:
    await _filled(line)
    await line.apply()

    first = (await line.coordinator.verify(VerifyRequest(sample=5, seed=7))).checks[-1]
    second = (await line.coordinator.verify(VerifyRequest(sample=5, seed=7))).checks[-1]

    assert 5 <= first.compared < first.population
    assert first == second


async def test_old_values_are_kept_until_cleanup_which_waits_for_a_day(line: LineUnderTest) -> None:
    await _filled(line)
    published = await line.rows(
        "SELECT event_id, destination_id FROM events WHERE destination_id != '' ORDER BY event_id"
    )
    await line.apply()

    kept = f"SELECT event_id, destination_id FROM {KEPT_EVENT_DESTINATIONS} WHERE from_event ORDER BY event_id"
    assert await line.rows(kept) == published
    with pytest.raises(Refused, match="younger than a day"):
        await line.coordinator.cleanup(ApplyRequest(single_runner=True), force=False)
    (removed,) = await line.coordinator.cleanup(ApplyRequest(single_runner=True), force=True)

    assert removed.what == KEPT_EVENT_DESTINATIONS
    assert await line.coordinator.cleanup_plan() == []
    assert (await line.coordinator.verify(VerifyRequest(full=True))).ok


async def test_cleanup_refuses_while_a_kept_value_is_not_in_the_new_form(line: LineUnderTest) -> None:
    await _filled(line)
    await line.apply()
    await line.execute(
        "ALTER TABLE events UPDATE matched_destination_ids = [] WHERE event_id = 'evt_3' SETTINGS mutations_sync = 2",
        "CREATE TABLE aged AS outpost_migrations",
        "INSERT INTO aged SELECT * REPLACE sequence - 100000000000000 AS sequence FROM outpost_migrations",
        "EXCHANGE TABLES aged AND outpost_migrations",
    )

    with pytest.raises(Refused, match="event evt_3 does not name"):
        await line.coordinator.cleanup(ApplyRequest(single_runner=True), force=False)
