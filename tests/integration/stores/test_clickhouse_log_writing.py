"""Batches that ClickHouse will not have as they are, what they look like there, and a server in trouble."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outpost.clients.clickhouse import ClickHouse
from outpost.clients.http import HttpClient
from outpost.conformance.builders import ONE, START, START_MILLISECOND, TWO, an_attempt, an_event
from outpost.domain.errors import RecordRejected, StoreUnavailable
from outpost.domain.identifiers import AttemptId, EventId
from outpost.ports.log_store import AttemptQuery, EventQuery, LoggedAttempt
from outpost.ports.paging import PageRequest
from outpost.stores.log.clickhouse import ClickHouseLogStore
from outpost.stores.log.clickhouse_writer import ClickHouseLogWriter
from outpost.wiring.clickhouse import http_transport
from tests.support.clickhouse import ClickHouseDatabase, running_clickhouse
from tests.support.clickhouse_log import ClickHouseLog, migrate, opened
from tests.support.clickhouse_stub import clickhouse_in_trouble

SECRET = "whsec_0123456789abcdef"
without_prefix = pytest.mark.parametrize("clickhouse_log", [""], indirect=True)


@pytest.fixture
def writer(clickhouse_log: ClickHouseLog) -> ClickHouseLogWriter:
    return ClickHouseLogWriter(clickhouse_log.client, deployment_id=clickhouse_log.deployment_id)


@pytest.fixture
def store(clickhouse_log: ClickHouseLog) -> ClickHouseLogStore:
    return ClickHouseLogStore(clickhouse_log.client, deployment_id=clickhouse_log.deployment_id)


def entries(count: int) -> list[LoggedAttempt]:
    return [an_entry(f"evt_{number}", f"atm_{number}") for number in range(count)]


def an_entry(event_id: str, attempt_id: str, *, event: dict[str, Any] | None = None, **attempt: Any) -> LoggedAttempt:
    return LoggedAttempt(
        attempt=an_attempt(attempt_id, event_id=event_id, **attempt), event=an_event(event_id, **(event or {}))
    )


@without_prefix
async def test_the_golden_rows_are_written(clickhouse_log: ClickHouseLog, writer: ClickHouseLogWriter) -> None:
    event = {"metadata": {}, "data": b'{"b":1.0,"a":"\\u003cx\\u003e\\u0026"}'}
    answer = b'{"body":"\\u003cok\\u003e \\u0026 done","status":500}'
    failed = an_entry("evt_1", "atm_1", event=event, status="failed", code="500", response_data=answer)
    refused = an_entry(
        "evt_1", "atm_2", event=event, status="failed", code="connection_refused", response_data=None, time=START
    )

    await writer.insert_many([failed, refused])

    copied = ("evt_1", "acme", "user.created", True, "{}", '{"b":1.0,"a":"\\u003cx\\u003e\\u0026"}')
    columns = "event_id, tenant_id, topic, eligible_for_retry, metadata, data"
    time = "toString(toTimeZone({}_time, 'UTC'))"
    assert await clickhouse_log.rows(
        f"SELECT {columns}, {time.format('event')}, matched_destination_ids FROM `$events`"
    ) == [(*copied, "2026-01-02 03:04:05.678", ["des_1"])]
    assert await clickhouse_log.rows(
        f"SELECT {columns}, {time.format('event')} AS event_at, {time.format('attempt')}, attempt_id, destination_id, "
        "destination_type, status, code, attempt_number, manual, response_data FROM `$attempts` ORDER BY attempt_id"
    ) == [
        (
            *copied,
            *["2026-01-02 03:04:05.678"] * 2,
            *("atm_1", "des_1", "webhook", "failed", "500", 1, False, answer.decode()),
        ),
        (
            *copied,
            *["2026-01-02 03:04:05.678"] * 2,
            *("atm_2", "des_1", "webhook", "failed", "connection_refused", 1, False, "null"),
        ),
    ]


@without_prefix
@pytest.mark.parametrize(
    "poison",
    [
        an_entry("evt_bad", "atm_bad", event={"data": SECRET.encode() + b"\xff"}),
        an_entry("evt_bad", "atm_bad", event={"topic": SECRET + "\ud800"}),
        an_entry("evt_bad", "atm_bad", event={"matched_destination_ids": (SECRET + "\ud800",)}),
        an_entry("evt_bad", "atm_bad", response_data=SECRET.encode() + b"\xff"),
        an_entry("evt_bad", "atm_bad", attempt_number=2**32),
        an_entry("evt_bad", "atm_bad", attempt_number=-1),
    ],
    ids=["not UTF-8", "surrogate", "surrogate in a list", "answer not UTF-8", "large number", "negative number"],
)
async def test_one_poisoned_entry_among_500_is_named_and_the_others_are_stored(
    writer: ClickHouseLogWriter, store: ClickHouseLogStore, poison: LoggedAttempt
) -> None:
    batch = entries(500)
    batch[317] = poison

    outcomes = await writer.insert_many(batch)

    rejected = {index: outcome for index, outcome in enumerate(outcomes) if outcome is not None}
    assert rejected.keys() == {317}
    assert isinstance(rejected[317], RecordRejected)
    assert "atm_bad" in str(rejected[317])
    assert SECRET not in str(rejected[317])
    assert await _count(store) == 499
    assert await store.attempt(AttemptId("atm_bad")) is None
    assert await store.event(EventId("evt_bad")) is None


async def test_a_value_that_only_the_server_finds_wrong_is_found_by_halving(own_clickhouse_log: ClickHouseLog) -> None:
    writer = ClickHouseLogWriter(own_clickhouse_log.client)
    batch = entries(100)
    batch[71] = an_entry("evt_71", "atm_bad", code=SECRET)
    await own_clickhouse_log.execute("ALTER TABLE `$attempts` MODIFY COLUMN code FixedString(3)")

    outcomes = await writer.insert_many(batch)

    rejected = {index: outcome for index, outcome in enumerate(outcomes) if outcome is not None}
    assert rejected.keys() == {71}
    assert "attempt atm_bad cannot be stored" in str(rejected[71])
    assert SECRET not in str(rejected[71])
    assert await _count(ClickHouseLogStore(own_clickhouse_log.client)) == 99


@without_prefix
async def test_of_a_batch_of_poison_nothing_is_stored(writer: ClickHouseLogWriter, store: ClickHouseLogStore) -> None:
    batch = [an_entry(f"evt_{number}\ud800", f"atm_{number}") for number in range(7)]

    outcomes = await writer.insert_many(batch)

    assert len(outcomes) == 7
    assert all(outcomes)
    assert await _count(store) == 0


async def test_a_thousand_entries_are_one_insert_into_each_table_the_events_first() -> None:
    async with clickhouse_in_trouble() as stub:
        http = HttpClient()
        client = ClickHouse(http_transport(http), url=stub.url)

        await ClickHouseLogWriter(client, deployment_id="dp").insert_many(entries(1000))
        await http.aclose()

        events, attempts = stub.sent("INSERT INTO")
        assert events.startswith("INSERT INTO `dp_events`")
        assert attempts.startswith("INSERT INTO `dp_attempts`")
        assert events.count('"event_id"') == attempts.count('"attempt_id"') == 1000


async def test_a_thousand_entries_are_stored_and_read_back(
    writer: ClickHouseLogWriter, store: ClickHouseLogStore
) -> None:
    batch = entries(1000)

    assert list(await writer.insert_many(batch)) == [None] * 1000
    assert list(await writer.insert_many(batch)) == [None] * 1000

    found = (await store.attempts(AttemptQuery(page=PageRequest(limit=1000, direction="asc")))).items
    assert {logged.attempt.id: logged.event.id for logged in found} == {
        entry.attempt.id: entry.event.id for entry in batch
    }
    assert len((await store.events(EventQuery(page=PageRequest(limit=1000)))).items) == 1000


async def test_what_is_stored_is_not_sent_again(own_clickhouse_log: ClickHouseLog) -> None:
    writer = ClickHouseLogWriter(own_clickhouse_log.client)
    await own_clickhouse_log.execute("SYSTEM STOP MERGES `$events`")
    await own_clickhouse_log.execute("SYSTEM STOP MERGES `$attempts`")

    await writer.insert_many(entries(10))
    await writer.insert_many([*entries(15), *entries(12)])

    assert await own_clickhouse_log.rows("SELECT count() FROM `$events`") == [(15,)]
    assert await own_clickhouse_log.rows("SELECT count() FROM `$attempts`") == [(15,)]


@without_prefix
async def test_writers_of_the_same_entries_show_them_once(
    writer: ClickHouseLogWriter, store: ClickHouseLogStore
) -> None:
    batch = entries(100)

    outcomes = await asyncio.gather(*(writer.insert_many(order) for order in [batch, batch[::-1]] * 3))

    assert all(list(outcome) == [None] * 100 for outcome in outcomes)
    assert await _count(store) == 100


@without_prefix
async def test_events_of_more_months_than_the_server_takes_by_default_are_stored_in_one_batch(
    writer: ClickHouseLogWriter, store: ClickHouseLogStore
) -> None:
    months = [datetime(1990 + number // 12, 1 + number % 12, 1, tzinfo=UTC) for number in range(150)]
    batch = [an_entry(f"evt_{month:%Y%m}", f"atm_{month:%Y%m}", event={"time": month}) for month in months]

    assert list(await writer.insert_many(batch)) == [None] * 150

    found = (await store.events(EventQuery(page=PageRequest(limit=1000, direction="asc")))).items
    assert [event.time for event in found] == months


@without_prefix
@pytest.mark.parametrize("year", [1, 999, 1969, 2150, 9999])
async def test_an_event_may_be_of_any_year(writer: ClickHouseLogWriter, store: ClickHouseLogStore, year: int) -> None:
    entry = an_entry("evt_1", "atm_1", event={"time": START_MILLISECOND.replace(year=year)}, time=START_MILLISECOND)

    assert list(await writer.insert_many([entry])) == [None]
    assert await store.attempt(AttemptId("atm_1")) == entry
    assert await store.event(EventId("evt_1")) == entry.event


@without_prefix
async def test_a_batch_of_long_ids_is_written_read_and_deleted(
    writer: ClickHouseLogWriter, store: ClickHouseLogStore
) -> None:
    long = "x" * 300  # a thousand of them take more room in a statement than the server gives by default
    batch = [an_entry(f"{long}{number}", f"{long}{number}") for number in range(1000)]

    assert list(await writer.insert_many(batch)) == [None] * 1000
    assert await _count(store) == 1000
    assert await store.delete_before(START + timedelta(days=1), limit=1000) == 1000
    assert await _count(store) == 0


@without_prefix
@pytest.mark.parametrize("text", ["a\0b", "\\u0000", "'; DROP TABLE events; --", '{"a":\n"\\\\"}'])
async def test_any_text_is_stored_as_it_is(writer: ClickHouseLogWriter, store: ClickHouseLogStore, text: str) -> None:
    event = {"time": START_MILLISECOND, "topic": text, "data": text.encode(), "metadata": {text: text}}
    entry = an_entry(text, text, event=event, time=START_MILLISECOND, code=text, response_data=text.encode())

    assert list(await writer.insert_many([entry])) == [None]
    assert await store.attempt(AttemptId(text)) == entry


@without_prefix
async def test_a_retry_that_does_not_know_whom_the_event_matched_leaves_the_row_to_the_first_attempt(
    writer: ClickHouseLogWriter, store: ClickHouseLogStore
) -> None:
    retry = an_entry("evt_1", "atm_2", attempt_number=2, event={"matched_destination_ids": ()})

    await writer.insert_many([retry])
    await writer.insert_many([an_entry("evt_1", "atm_1")])

    assert await store.event(EventId("evt_1")) == an_event(time=START_MILLISECOND)


@without_prefix
async def test_of_the_copies_of_an_event_the_one_that_knows_whom_it_matched_is_stored(
    writer: ClickHouseLogWriter, store: ClickHouseLogStore
) -> None:
    ignorant = an_entry("evt_1", "atm_1", event={"matched_destination_ids": ()})
    knowing = an_entry("evt_1", "atm_2", event={"matched_destination_ids": (ONE, TWO)})

    await writer.insert_many([ignorant, knowing])

    event = await store.event(EventId("evt_1"))
    assert event is not None
    assert event.matched_destination_ids == (ONE, TWO)


async def test_deployments_of_one_database_do_not_see_each_other(
    clickhouse_database: ClickHouseDatabase,
) -> None:
    for deployment_id in ("", "dp", "dp-2"):
        await migrate(clickhouse_database, deployment_id)
    async with opened(clickhouse_database) as log:
        await ClickHouseLogWriter(log.client, deployment_id="dp").insert_many(entries(1))

        counts = [await _count(ClickHouseLogStore(log.client, deployment_id=each)) for each in ("", "dp", "dp-2")]

    assert counts == [0, 1, 0]


# --- trouble


@pytest.mark.parametrize("code", [60, 241, 252, 497])
async def test_the_servers_trouble_is_no_fault_of_the_rows(code: int) -> None:
    async with clickhouse_in_trouble() as stub:
        http = HttpClient()
        stub.answer("INSERT INTO", code, 0)
        writer = ClickHouseLogWriter(ClickHouse(http_transport(http), url=stub.url))

        with pytest.raises(StoreUnavailable):
            await writer.insert_many(entries(3))
        assert list(await writer.insert_many(entries(3))) == [None] * 3
        await http.aclose()


async def test_a_wrong_password_is_told_without_it(clickhouse_database: ClickHouseDatabase) -> None:
    async with opened(clickhouse_database, password="wr0ng-passw0rd") as log:
        for attempted in _everything(ClickHouseLogWriter(log.client), ClickHouseLogStore(log.client)):
            with pytest.raises(StoreUnavailable, match="access denied") as raised:
                await attempted()
            assert clickhouse_database.url in str(raised.value)
            assert "wr0ng-passw0rd" not in str(raised.value)
            assert "wr0ng-passw0rd" not in repr(raised.value.__cause__)


async def test_a_server_that_restarts_is_unavailable_and_then_serves_again() -> None:
    with running_clickhouse() as server, server.fresh_database() as database:
        await migrate(database, "")
        async with opened(database) as log:
            writer, store = ClickHouseLogWriter(log.client), ClickHouseLogStore(log.client)
            await writer.insert_many(entries(3))

            server.kill()
            for attempted in _everything(writer, store):
                with pytest.raises(StoreUnavailable) as raised:
                    await attempted()
                assert database.url in str(raised.value)
                assert database.password not in str(raised.value)
            server.start()
            outcomes = await writer.insert_many(entries(5))

            assert list(outcomes) == [None] * 5
            assert await _count(store) == 5


def _everything(writer: ClickHouseLogWriter, store: ClickHouseLogStore) -> Sequence[Callable[[], Any]]:
    return [
        lambda: writer.insert_many(entries(5)),
        lambda: store.event(EventId("evt_1")),
        lambda: store.events(EventQuery(page=PageRequest(limit=5))),
        lambda: store.attempt(AttemptId("atm_1")),
        lambda: store.attempts(AttemptQuery(page=PageRequest(limit=5))),
        lambda: store.delete_before(START, limit=5),
    ]


async def _count(store: ClickHouseLogStore) -> int:
    return len((await store.attempts(AttemptQuery(page=PageRequest(limit=1000)))).items)
