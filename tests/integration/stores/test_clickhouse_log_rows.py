"""Rows as the reference and its older releases left them in ClickHouse, and what is read of them."""

from datetime import timedelta
from typing import Any

import pytest

from outpost.conformance.builders import ONE, START, START_MILLISECOND, TENANT, TWO, an_attempt, an_event
from outpost.conformance.paging import walk_there_and_back
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, LoggedAttempt, TimeWindow
from outpost.ports.paging import PageRequest, Position
from outpost.stores.log.clickhouse import ClickHouseLogStore
from tests.support.clickhouse_log import ClickHouseLog

without_prefix = pytest.mark.parametrize("clickhouse_log", [""], indirect=True)

ALL = PageRequest(limit=100)
MICROSECOND = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)
LATER = START_MILLISECOND + timedelta(days=1)
FRENCH = EventId("évé'nement \\ \t\n{\0}")

# Storage format of the original's v1.2: its golden event and attempt.
GOLDEN_EVENT = """
INSERT INTO `$events` (event_id, tenant_id, topic, eligible_for_retry, event_time, metadata, data,
                       matched_destination_ids)
SELECT 'evt_1', 'acme', 'user.created', true, toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC'), '{}',
       '{"b":1.0,"a":"\\\\u003cx\\\\u003e\\\\u0026"}', ['des_1']"""
GOLDEN_ATTEMPTS = """
INSERT INTO `$attempts` (event_id, tenant_id, destination_id, topic, eligible_for_retry, event_time, metadata, data,
                         attempt_id, status, attempt_time, code, response_data, manual, attempt_number,
                         destination_type)
SELECT 'evt_1', 'acme', 'des_1', 'user.created', true, toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC'), '{}',
       '{"b":1.0,"a":"\\\\u003cx\\\\u003e\\\\u0026"}', arrayJoin(['atm_1', 'atm_2']) AS id, 'failed',
       toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC'), id = 'atm_1' ? '500' : 'connection_refused',
       id = 'atm_1' ? '{"body":"\\\\u003cok\\\\u003e \\\\u0026 done","status":500}' : 'null', false, 1, 'webhook'"""


@pytest.fixture
def store(clickhouse_log: ClickHouseLog) -> ClickHouseLogStore:
    return ClickHouseLogStore(clickhouse_log.client)


@without_prefix
async def test_the_golden_event_and_attempts_are_read(clickhouse_log: ClickHouseLog, store: ClickHouseLogStore) -> None:
    await clickhouse_log.execute(GOLDEN_EVENT)
    await clickhouse_log.execute(GOLDEN_ATTEMPTS)

    event = an_event(
        time=START_MILLISECOND, metadata={}, data=b'{"b":1.0,"a":"\\u003cx\\u003e\\u0026"}', eligible_for_retry=True
    )
    failed = an_attempt(
        status="failed",
        code="500",
        time=START_MILLISECOND,
        response_data=b'{"body":"\\u003cok\\u003e \\u0026 done","status":500}',
    )
    refused = an_attempt(
        "atm_2", status="failed", code="connection_refused", time=START_MILLISECOND, response_data=None
    )
    assert await store.event(EventId("evt_1")) == event
    assert (await store.attempts(AttemptQuery(page=ALL))).items == [
        LoggedAttempt(attempt=refused, event=event),
        LoggedAttempt(attempt=failed, event=event),
    ]


async def test_every_form_of_a_response_is_read(own_clickhouse_log: ClickHouseLog) -> None:
    forms = {
        "NULL": None,
        "''": None,
        "'null'": None,
        "'{}'": b"{}",
        "'\"just text\"'": b'"just text"',
        "'just text'": b"just text",
        """'{"body": null, "status": 500}'""": b'{"body": null, "status": 500}',
    }
    await own_clickhouse_log.execute("ALTER TABLE `$attempts` MODIFY COLUMN response_data Nullable(String)")
    for number, stored in enumerate(forms):
        await own_clickhouse_log.execute(f"""
INSERT INTO `$attempts` (attempt_id, attempt_time, event_time, response_data)
SELECT 'atm', fromUnixTimestamp64Milli({number}), fromUnixTimestamp64Milli(0), {stored}""")

    page = PageRequest(limit=100, direction="asc")
    found = await ClickHouseLogStore(own_clickhouse_log.client).attempts(AttemptQuery(page=page))

    assert [logged.attempt.response_data for logged in found.items] == list(forms.values())


@without_prefix
async def test_an_attempt_of_an_old_release_is_read(clickhouse_log: ClickHouseLog, store: ClickHouseLogStore) -> None:
    await clickhouse_log.execute("""
INSERT INTO `$attempts` (event_id, tenant_id, destination_id, event_time, attempt_id, attempt_time, status)
SELECT 'evt_1', 'acme', 'des_1', fromUnixTimestamp64Milli(0), 'atm_1', fromUnixTimestamp64Milli(1), 'pending'""")

    found = await store.attempt(AttemptId("atm_1"))

    assert found is not None
    assert found.attempt.status == "pending"
    assert (found.attempt.attempt_number, found.attempt.destination_type, found.attempt.code) == (0, "", "")
    assert (found.event.metadata, found.event.matched_destination_ids) == ({}, (ONE,))


@without_prefix
async def test_of_attempts_that_all_have_the_number_0_the_last_is_the_latest(
    clickhouse_log: ClickHouseLog, store: ClickHouseLogStore
) -> None:
    attempts = [an_attempt(f"atm_{hour}", attempt_number=0, time=START + timedelta(hours=hour)) for hour in (1, 3, 2)]
    await clickhouse_log.insert(an_event(), attempts)

    latest = await store.latest_attempt(EventId("evt_1"), ONE)

    assert latest is not None
    assert latest.attempt.id == "atm_3"


@without_prefix
async def test_an_event_whose_row_is_missing_is_known_from_its_attempts(
    clickhouse_log: ClickHouseLog, store: ClickHouseLogStore
) -> None:
    await clickhouse_log.insert(an_event(), [an_attempt(destination_id=TWO)])
    await clickhouse_log.execute("TRUNCATE TABLE `$events`")

    known = an_event(time=START_MILLISECOND, matched_destination_ids=(TWO,))
    attempt = await store.attempt(AttemptId("atm_1"))
    assert attempt is not None
    assert attempt.event == known
    assert await store.event(EventId("evt_1"), tenant_id=TENANT) == known
    assert await store.event(EventId("evt_1"), tenant_id=TenantId("umbrella")) is None


# --- rows that are not merged yet


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 10])
async def test_rows_that_were_written_several_times_are_on_one_page_once(
    own_clickhouse_log: ClickHouseLog, direction: Any, limit: int
) -> None:
    store = ClickHouseLogStore(own_clickhouse_log.client)
    await own_clickhouse_log.execute("SYSTEM STOP MERGES `$events`")
    await own_clickhouse_log.execute("SYSTEM STOP MERGES `$attempts`")
    for copies in range(3):
        for number in range(copies, 10, copies + 1):
            event = an_event(f"evt_{number}", time=START_MILLISECOND + number // 4 * MILLISECOND)
            await own_clickhouse_log.insert(event, [an_attempt(f"atm_{number}", event_id=event.id, time=event.time)])

    events = await walk_there_and_back(
        lambda page: store.events(EventQuery(page=page, tenant_ids=[TENANT])),
        lambda event: Position(event.time, event.id),
        limit=limit,
        direction=direction,
    )
    attempts = await walk_there_and_back(
        lambda page: store.attempts(AttemptQuery(page=page)),
        lambda logged: Position(logged.attempt.time, logged.attempt.id),
        limit=limit,
        direction=direction,
    )

    (raw,) = await own_clickhouse_log.rows("SELECT count() FROM `$events`")
    assert raw[0] > 10
    expected = [f"evt_{number}" for number in range(10)][:: 1 if direction == "asc" else -1]
    for pages in events:
        assert [event.id for page in pages for event in page] == expected
        assert max(map(len, pages)) <= limit
    for pages in attempts:
        assert [logged.event.id for page in pages for logged in page] == expected
        assert max(map(len, pages)) <= limit


# --- instants between two milliseconds


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (TimeWindow(gte=START_MILLISECOND - MICROSECOND), [0, 1]),
        (TimeWindow(gte=START_MILLISECOND + MICROSECOND), [1]),
        (TimeWindow(gt=START_MILLISECOND - MICROSECOND), [0, 1]),
        (TimeWindow(gt=START_MILLISECOND + MICROSECOND), [1]),
        (TimeWindow(lte=START_MILLISECOND - MICROSECOND), []),
        (TimeWindow(lte=START_MILLISECOND + MICROSECOND), [0]),
        (TimeWindow(lt=START_MILLISECOND - MICROSECOND), []),
        (TimeWindow(lt=START_MILLISECOND + MICROSECOND), [0]),
    ],
)
async def test_a_bound_between_two_milliseconds_is_exact(
    clickhouse_log: ClickHouseLog, store: ClickHouseLogStore, window: TimeWindow, expected: list[int]
) -> None:
    for number in range(2):
        await clickhouse_log.insert(an_event(f"evt_{number}", time=START_MILLISECOND + number * MILLISECOND))

    found = (await store.events(EventQuery(page=PageRequest(limit=5, direction="asc"), time=window))).items

    assert [event.id for event in found] == [f"evt_{number}" for number in expected]


@without_prefix
async def test_a_position_between_two_milliseconds_is_exact(
    clickhouse_log: ClickHouseLog, store: ClickHouseLogStore
) -> None:
    for number in range(2):
        await clickhouse_log.insert(an_event(f"evt_{number}", time=START_MILLISECOND + number * MILLISECOND))
    between = Position(START_MILLISECOND + MICROSECOND, "zzz")

    for direction, after, before in (("asc", "evt_1", "evt_0"), ("desc", "evt_0", "evt_1")):
        following = await _page(store, direction, after=between)
        preceding = await _page(store, direction, before=between)
        assert ([event.id for event in following], [event.id for event in preceding]) == ([after], [before])


# --- odd values


@without_prefix
async def test_an_id_of_any_characters_is_found(clickhouse_log: ClickHouseLog, store: ClickHouseLogStore) -> None:
    attempt = an_attempt("atm '\\\0", event_id=FRENCH, destination_id=TWO)
    event = an_event(FRENCH, time=START_MILLISECOND, matched_destination_ids=(ONE, TWO))
    await clickhouse_log.insert(event, [attempt])

    found = await store.attempt(attempt.id)

    assert found is not None
    assert found.event == event == await store.event(FRENCH)
    assert (await store.events(EventQuery(page=ALL, ids=[FRENCH, "other"]))).items == [event]
    assert await store.delete_before(LATER, limit=5) == 1
    assert await store.event(FRENCH) is None


@without_prefix
@pytest.mark.parametrize("text", ["\ud800", "evt_1\ud800"])
async def test_what_no_row_can_hold_is_not_found(
    clickhouse_log: ClickHouseLog, store: ClickHouseLogStore, text: str
) -> None:
    await clickhouse_log.insert(an_event(), [an_attempt()])
    condition: dict[str, Any] = {"tenant_ids": [text], "topics": [text], "destination_ids": [text]}

    assert await store.event(EventId(text)) is None
    assert await store.attempt(AttemptId(text), tenant_id=TenantId(text)) is None
    assert await store.latest_attempt(EventId(text), ONE) is None
    assert (await store.events(EventQuery(page=ALL, ids=[text], **condition))).items == []
    assert (await store.attempts(AttemptQuery(page=ALL, status=text, **condition))).items == []
    assert len((await store.events(EventQuery(page=ALL, ids=[text, "evt_1"]))).items) == 1


@without_prefix
async def test_text_that_is_not_utf_8_spoils_no_other_row(
    clickhouse_log: ClickHouseLog, store: ClickHouseLogStore
) -> None:
    await clickhouse_log.insert(an_event())
    await clickhouse_log.execute("""
INSERT INTO `$events` (event_id, tenant_id, event_time, data)
SELECT 'evt_2', 'acme', fromUnixTimestamp64Milli(0), concat('{"a":"', unhex('FF'), '"}')""")

    found = (await store.events(EventQuery(page=ALL))).items

    assert [(event.id, event.data) for event in found][1:] == [("evt_2", '{"a":"\ufffd"}'.encode())]


# --- deleting


@without_prefix
async def test_attempts_without_an_event_are_deleted_too(
    clickhouse_log: ClickHouseLog, store: ClickHouseLogStore
) -> None:
    orphans = [an_attempt(f"atm_{number}", time=START + timedelta(hours=number)) for number in range(5)]
    await clickhouse_log.insert(an_event(), orphans)
    await clickhouse_log.execute("TRUNCATE TABLE `$events`")
    await clickhouse_log.insert(an_event("evt_2"), [an_attempt("atm_kept", event_id="evt_2", time=LATER)])

    first = await store.delete_before(LATER, limit=3)
    second = await store.delete_before(LATER, limit=3)

    assert (first, second) == (3, 2)
    assert [logged.attempt.id for logged in (await store.attempts(AttemptQuery(page=ALL))).items] == ["atm_kept"]


@without_prefix
async def test_an_id_that_was_used_again_keeps_its_later_event(
    clickhouse_log: ClickHouseLog, store: ClickHouseLogStore
) -> None:
    again = an_event(time=LATER)
    await clickhouse_log.insert(an_event(), [an_attempt()])
    await clickhouse_log.insert(again, [an_attempt("atm_2", time=LATER)])

    assert await store.delete_before(LATER, limit=10) == 1
    assert (await store.events(EventQuery(page=ALL))).items == [again]
    assert [logged.attempt.id for logged in (await store.attempts(AttemptQuery(page=ALL))).items] == ["atm_2"]


async def test_of_rows_that_were_written_twice_both_are_deleted(own_clickhouse_log: ClickHouseLog) -> None:
    store = ClickHouseLogStore(own_clickhouse_log.client)
    await own_clickhouse_log.execute("SYSTEM STOP MERGES `$events`")
    for _ in range(2):
        await own_clickhouse_log.insert(an_event(), [an_attempt()])
    assert await own_clickhouse_log.rows("SELECT count() FROM `$events`") == [(2,)]
    await own_clickhouse_log.execute("SYSTEM START MERGES `$events`")  # which deleting waits for

    assert await store.delete_before(LATER, limit=10) == 1
    assert await own_clickhouse_log.rows("SELECT count() FROM `$events`") == [(0,)]
    assert await own_clickhouse_log.rows("SELECT count() FROM `$attempts`") == [(0,)]


async def _page(store: ClickHouseLogStore, direction: Any, **border: Position) -> list[Event]:
    return (await store.events(EventQuery(page=PageRequest(limit=5, direction=direction, **border)))).items
