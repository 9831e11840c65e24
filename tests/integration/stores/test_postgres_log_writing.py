"""Batches that a Postgres database will not have as they are, and a database that goes away."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from outpost.clients.postgres import Pool
from outpost.conformance.builders import START, an_attempt, an_event
from outpost.domain.errors import RecordRejected, StoreUnavailable
from outpost.domain.identifiers import AttemptId, EventId
from outpost.management.naming import MAX_ID_CHARACTERS
from outpost.pipeline.publish import MOST_BYTES
from outpost.ports.log_store import AttemptQuery, LoggedAttempt
from outpost.ports.paging import PageRequest
from outpost.stores.log.postgres import PostgresLogStore
from outpost.stores.log.postgres_writer import PostgresLogWriter
from tests.support.postgres import running_postgres
from tests.support.postgres_log import SCHEMA, execute, opened, restoring

SECRET = "whsec_0123456789abcdef"


@pytest.fixture
def writer(postgres_log: Pool) -> PostgresLogWriter:
    return PostgresLogWriter(postgres_log)


@pytest.fixture
def store(postgres_log: Pool) -> PostgresLogStore:
    return PostgresLogStore(postgres_log)


def entries(count: int) -> list[LoggedAttempt]:
    return [an_entry(f"evt_{number}", f"atm_{number}") for number in range(count)]


def an_entry(event_id: str, attempt_id: str, *, event: dict[str, Any] | None = None, **attempt: Any) -> LoggedAttempt:
    return LoggedAttempt(
        attempt=an_attempt(attempt_id, event_id=event_id, **attempt), event=an_event(event_id, **(event or {}))
    )


@pytest.mark.parametrize(
    "poison",
    [
        an_entry("evt\0", "atm_bad"),
        an_entry("evt_bad", "atm_bad", event={"metadata": {"key": f"{SECRET}\0"}}),
        an_entry("evt_bad", "atm_bad", event={"data": SECRET.encode() + b"\xff"}),
        an_entry("evt_bad", "atm_bad", event={"topic": SECRET + "\ud800"}),
        an_entry("evt_bad", "atm_bad", response_data=b"\0"),
        an_entry("evt_bad", "atm_bad", attempt_number=2**31),
        an_entry("".join(chr(0x4E00 + number) for number in range(9000)), "atm_bad"),
    ],
    ids=["NUL in an id", "NUL in metadata", "not UTF-8", "surrogate", "NUL in an answer", "large number", "long id"],
)
async def test_one_poisoned_entry_among_500_is_named_and_the_others_are_stored(
    writer: PostgresLogWriter, store: PostgresLogStore, poison: LoggedAttempt
) -> None:
    """FIX-12."""
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


async def test_an_event_with_the_longest_names_there_may_be_is_stored(
    writer: PostgresLogWriter, store: PostgresLogStore
) -> None:
    """None of them can be made shorter by compressing it."""
    letters = [chr(0x1F300 + number) for number in range(2 * MAX_ID_CHARACTERS)]
    names = {"tenant_id": "".join(letters[:MAX_ID_CHARACTERS]), "destination_id": "".join(letters[MAX_ID_CHARACTERS:])}
    event_id = "".join(letters[: MOST_BYTES // 4])
    event = {"topic": "".join(letters[MOST_BYTES // 4 : MOST_BYTES // 2]), "tenant_id": names["tenant_id"]}

    outcomes = await writer.insert_many([an_entry(event_id, "atm_1", event=event, **names)])

    assert outcomes == [None]
    assert await store.event(EventId(event_id)) is not None


async def test_of_a_batch_of_poison_nothing_is_stored(writer: PostgresLogWriter, store: PostgresLogStore) -> None:
    batch = [an_entry(f"evt_{number}\0", f"atm_{number}") for number in range(7)]

    outcomes = await writer.insert_many(batch)

    assert len(outcomes) == 7
    assert all(outcomes)
    assert await _count(store) == 0


async def test_writers_of_the_same_entries_in_different_orders_do_not_block_each_other(
    writer: PostgresLogWriter, store: PostgresLogStore
) -> None:
    batch = entries(200)
    orders = [batch, batch[::-1], batch[100:] + batch[:100], batch[::2] + batch[1::2]]

    outcomes = await asyncio.gather(*(writer.insert_many(order) for order in orders * 3))

    assert all(list(outcome) == [None] * 200 for outcome in outcomes)
    assert await _count(store) == 200


async def test_a_nul_that_json_escapes_is_stored_in_data(writer: PostgresLogWriter, store: PostgresLogStore) -> None:
    entry = an_entry("evt_1", "atm_1", event={"data": b'{"a":"\\u0000"}'}, response_data=b'{"body":"\\u0000"}')

    assert list(await writer.insert_many([entry])) == [None]
    assert await store.attempt(AttemptId("atm_1")) == entry


async def test_a_retry_that_does_not_know_whom_the_event_matched_leaves_the_row_to_the_first_attempt(
    writer: PostgresLogWriter, store: PostgresLogStore
) -> None:
    retry = an_entry("evt_1", "atm_2", attempt_number=2, event={"matched_destination_ids": ()})

    await writer.insert_many([retry])
    await writer.insert_many([an_entry("evt_1", "atm_1")])

    assert await store.event(EventId("evt_1")) == an_event()


async def test_a_table_without_a_partition_for_the_row_is_no_fault_of_the_row(
    postgres_log: Pool, writer: PostgresLogWriter
) -> None:
    await execute(postgres_log, "ALTER TABLE attempts DETACH PARTITION attempts_default")
    try:
        with pytest.raises(StoreUnavailable, match="no partition"):
            await writer.insert_many(entries(3))
    finally:
        await execute(postgres_log, "ALTER TABLE attempts ATTACH PARTITION attempts_default DEFAULT")

    assert list(await writer.insert_many(entries(3))) == [None] * 3


async def test_a_server_that_restarts_is_unavailable_and_then_serves_again() -> None:
    with running_postgres() as server, server.fresh_database() as url:
        await restoring(url, SCHEMA)
        async with opened(url) as pool:
            writer, store = PostgresLogWriter(pool), PostgresLogStore(pool)
            await writer.insert_many(entries(3))

            server.kill()
            for attempted in _everything(writer, store):
                with pytest.raises(StoreUnavailable):
                    await attempted()
            server.start()
            outcomes = await writer.insert_many(entries(5))

            assert list(outcomes) == [None] * 5
            assert await _count(store) == 5


def _everything(writer: PostgresLogWriter, store: PostgresLogStore) -> Sequence[Callable[[], Any]]:
    return [
        lambda: writer.insert_many(entries(5)),
        lambda: store.event(EventId("evt_1")),
        lambda: store.attempt(AttemptId("atm_1")),
        lambda: store.attempts(AttemptQuery(page=PageRequest(limit=5))),
        lambda: store.delete_before(START, limit=5),
    ]


async def _count(store: PostgresLogStore) -> int:
    return len((await store.attempts(AttemptQuery(page=PageRequest(limit=1000)))).items)
