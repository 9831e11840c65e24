"""Rows as the reference and its older releases left them, and what deleting does to them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outpost.clients.postgres import Pool
from outpost.conformance.builders import ONE, START, TENANT, TWO, an_attempt, an_event
from outpost.domain.identifiers import AttemptId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery
from outpost.ports.paging import PageRequest
from outpost.stores.log.postgres import PostgresLogStore
from tests.support.postgres_log import execute, insert_event

ALL = PageRequest(limit=100)
LATER = START + timedelta(days=1)


@pytest.fixture
def store(postgres_log: Pool) -> PostgresLogStore:
    return PostgresLogStore(postgres_log)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (None, None),
        ("", None),
        ("null", None),
        ("{}", b"{}"),
        ('"just text"', b'"just text"'),
        ('{"body": null, "status": 500}', b'{"body": null, "status": 500}'),
    ],
)
async def test_every_form_of_a_response_is_read(
    postgres_log: Pool, store: PostgresLogStore, stored: str | None, read: bytes | None
) -> None:
    await insert_event(postgres_log, an_event(), [an_attempt()])
    await execute(postgres_log, "UPDATE attempts SET response_data = $1", stored)

    found = await store.attempt(AttemptId("atm_1"))

    assert found is not None
    assert found.attempt.response_data == read


async def test_an_attempt_of_an_old_release_is_read(postgres_log: Pool, store: PostgresLogStore) -> None:
    await insert_event(postgres_log, an_event(), [an_attempt(code="")])
    await execute(postgres_log, "UPDATE events SET matched_destination_ids = '{}', metadata = 'null'")
    await execute(
        postgres_log,
        "UPDATE attempts SET code = NULL, attempt_number = 0, destination_type = '', event_metadata = 'null', "
        "status = 'pending'",
    )

    found = (await store.attempts(AttemptQuery(page=ALL))).items

    attempt = an_attempt(code="", attempt_number=0, destination_type="", status="pending")
    assert [logged.attempt for logged in found] == [attempt]
    assert [logged.event for logged in found] == [an_event(metadata={})]
    assert await store.event(EventId("evt_1")) == an_event(metadata={}, matched_destination_ids=())


@pytest.mark.parametrize("instant", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "200000-01-01"])
async def test_an_instant_that_we_cannot_read_hides_no_other_row(
    postgres_log: Pool, store: PostgresLogStore, instant: str
) -> None:
    for number in (1, 2):
        event = an_event(f"evt_{number}")
        await insert_event(postgres_log, event, [an_attempt(f"atm_{number}", event_id=event.id)])
    await execute(postgres_log, f"UPDATE events SET time = '{instant}' WHERE id = 'evt_1'")
    await execute(postgres_log, f"UPDATE attempts SET event_time = '{instant}' WHERE event_id = 'evt_1'")

    events = await store.events(EventQuery(page=ALL))
    attempts = await store.attempts(AttemptQuery(page=ALL))
    alone = await store.event(EventId("evt_1"))

    assert [event.id for event in events.items] == ["evt_2"]
    assert [logged.attempt.id for logged in attempts.items] == ["atm_2", "atm_1"]
    assert alone is not None
    assert alone.time in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


async def test_metadata_of_another_shape_hides_no_row(postgres_log: Pool, store: PostgresLogStore) -> None:
    await insert_event(postgres_log, an_event(), [an_attempt()])
    await execute(postgres_log, "UPDATE events SET metadata = '[1]'")
    await execute(postgres_log, """UPDATE attempts SET event_metadata = '{"a": 1, "b": "c"}'""")

    (event,) = (await store.events(EventQuery(page=ALL))).items
    (logged,) = (await store.attempts(AttemptQuery(page=ALL))).items

    assert event.metadata == {}
    assert logged.event.metadata == {"a": "1", "b": "c"}


async def test_of_attempts_that_all_have_the_number_0_the_last_is_the_latest(
    postgres_log: Pool, store: PostgresLogStore
) -> None:
    attempts = [an_attempt(f"atm_{hour}", attempt_number=0, time=START + timedelta(hours=hour)) for hour in (1, 3, 2)]
    await insert_event(postgres_log, an_event(), attempts)

    latest = await store.latest_attempt(EventId("evt_1"), ONE)

    assert latest is not None
    assert latest.attempt.id == "atm_3"


async def test_an_event_whose_row_is_missing_is_known_from_its_attempts(
    postgres_log: Pool, store: PostgresLogStore
) -> None:
    await insert_event(postgres_log, an_event(), [an_attempt(destination_id=TWO)])
    await execute(postgres_log, "DELETE FROM events")

    known = an_event(matched_destination_ids=(TWO,))
    attempt = await store.attempt(AttemptId("atm_1"))
    assert attempt is not None
    assert attempt.event == known
    assert await store.event(EventId("evt_1"), tenant_id=TENANT) == known
    assert await store.event(EventId("evt_1"), tenant_id=TenantId("umbrella")) is None


@pytest.mark.parametrize("text", ["\0", "evt_1\0", "\ud800"])
async def test_what_no_row_can_hold_is_not_found(postgres_log: Pool, store: PostgresLogStore, text: str) -> None:
    await insert_event(postgres_log, an_event(), [an_attempt()])
    condition: dict[str, Any] = {"tenant_ids": [text], "topics": [text], "destination_ids": [text]}

    assert await store.event(EventId(text)) is None
    assert await store.attempt(AttemptId(text), tenant_id=TenantId(text)) is None
    assert await store.latest_attempt(EventId(text), ONE) is None
    assert (await store.events(EventQuery(page=ALL, ids=[text], **condition))).items == []
    assert (await store.attempts(AttemptQuery(page=ALL, status=text, **condition))).items == []
    assert len((await store.events(EventQuery(page=ALL, ids=[text, "evt_1"]))).items) == 1


async def test_attempts_without_an_event_are_deleted_too(postgres_log: Pool, store: PostgresLogStore) -> None:
    orphans = [an_attempt(f"atm_{number}", time=START + timedelta(hours=number)) for number in range(5)]
    await insert_event(postgres_log, an_event(), orphans)
    await execute(postgres_log, "DELETE FROM events")
    await insert_event(postgres_log, an_event("evt_2"), [an_attempt("atm_kept", event_id="evt_2", time=LATER)])

    first = await store.delete_before(LATER, limit=3)
    second = await store.delete_before(LATER, limit=3)

    assert (first, second) == (3, 2)
    assert [logged.attempt.id for logged in (await store.attempts(AttemptQuery(page=ALL))).items] == ["atm_kept"]


async def test_an_id_that_was_used_again_keeps_its_later_event(postgres_log: Pool, store: PostgresLogStore) -> None:
    again = an_event(time=LATER)
    await insert_event(postgres_log, an_event(), [an_attempt()])
    await insert_event(postgres_log, again, [an_attempt("atm_2", time=LATER)])

    assert await store.delete_before(LATER, limit=10) == 1
    assert (await store.events(EventQuery(page=ALL))).items == [again]
    assert [logged.attempt.id for logged in (await store.attempts(AttemptQuery(page=ALL))).items] == ["atm_2"]


async def test_partitions_of_the_operator_are_read_and_left_alone(postgres_log: Pool, store: PostgresLogStore) -> None:
    month = "FOR VALUES FROM ('2026-01-01+00') TO ('2026-02-01+00')"
    for table in ("events", "attempts"):
        await execute(postgres_log, f"CREATE TABLE {table}_january PARTITION OF {table} {month}")
    try:
        await insert_event(postgres_log, an_event(), [an_attempt()])
        later = START + timedelta(days=60)
        await insert_event(postgres_log, an_event("evt_2", time=later), [])

        assert [event.id for event in (await store.events(EventQuery(page=ALL))).items] == ["evt_2", "evt_1"]
        assert await store.delete_before(later, limit=10) == 1

        async with postgres_log.connection() as connection:
            tables = "SELECT count(*) FROM pg_inherits WHERE inhparent IN ('events'::regclass, 'attempts'::regclass)"
            assert await connection.fetchval(tables) == 4
            assert await connection.fetchval("SELECT count(*) FROM attempts_january") == 0
    finally:
        await execute(postgres_log, "DROP TABLE events_january, attempts_january")
