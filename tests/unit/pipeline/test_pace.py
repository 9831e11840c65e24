"""Writing to a log store at its own pace."""

import asyncio
from collections.abc import Sequence

import pytest

from outpost.conformance.ledger import START, an_acceptance
from outpost.domain.attempt import Attempt
from outpost.domain.errors import RecordRejected, StoreUnavailable
from outpost.domain.identifiers import AttemptId, DestinationId
from outpost.pipeline.pace import PacedLogWriter
from outpost.ports.log_store import LoggedAttempt


def an_entry(name: str) -> LoggedAttempt:
    event = an_acceptance(name).event
    attempt = Attempt(
        id=AttemptId(f"atm_{name}"),
        tenant_id=event.tenant_id,
        event_id=event.id,
        destination_id=DestinationId("des_1"),
        destination_type="webhook",
        attempt_number=1,
        manual=False,
        status="success",
        time=START,
        code="200",
    )
    return LoggedAttempt(attempt=attempt, event=event)


class Store:
    """Takes down what each call brought, and answers when the test says so."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.called_at: list[float] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def insert_many(self, entries: Sequence[LoggedAttempt]) -> Sequence[RecordRejected | None]:
        self.calls.append([entry.event.id for entry in entries])
        self.called_at.append(asyncio.get_running_loop().time())
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return [RecordRejected(entry.event.id, "bad") if "bad" in entry.event.id else None for entry in entries]


@pytest.fixture
def store() -> Store:
    return Store()


async def test_a_lone_entry_goes_at_once_and_the_next_after_the_interval(store: Store) -> None:
    writer = PacedLogWriter(store, interval=0.05, batch_size=10)

    await writer.insert_many([an_entry("one")])
    await writer.insert_many([an_entry("two")])

    assert store.calls == [["one"], ["two"]]
    assert store.called_at[1] - store.called_at[0] >= 0.05


async def test_what_comes_while_a_call_runs_goes_together_into_the_next(store: Store) -> None:
    store.open.clear()
    writer = PacedLogWriter(store, interval=0, batch_size=10)
    waiting = [asyncio.create_task(writer.insert_many([an_entry(name)])) for name in ("one", "two", "three")]
    for _ in range(10):
        await asyncio.sleep(0)
    later = [asyncio.create_task(writer.insert_many([an_entry(name), an_entry(f"{name}-bad")])) for name in ("a", "b")]
    store.open.set()

    assert await asyncio.gather(*waiting) == [[None]] * 3
    outcomes = await asyncio.gather(*later)

    assert store.calls == [["one", "two", "three"], ["a", "a-bad", "b", "b-bad"]]
    assert [[outcome is None for outcome in each] for each in outcomes] == [[True, False]] * 2


async def test_a_call_is_no_larger_than_the_batch_size_unless_one_caller_wants_it_so(store: Store) -> None:
    writer = PacedLogWriter(store, interval=0, batch_size=3)

    await asyncio.gather(
        writer.insert_many([an_entry("a1"), an_entry("a2")]),
        writer.insert_many([an_entry("b1"), an_entry("b2")]),
        writer.insert_many([an_entry(f"c{number}") for number in range(5)]),
    )

    assert [len(each) for each in store.calls] == [2, 2, 5]


async def test_a_failure_is_told_to_everyone_and_the_next_call_is_made(store: Store) -> None:
    store.failure = StoreUnavailable("ClickHouse", "away")
    writer = PacedLogWriter(store, interval=0, batch_size=10)

    results = await asyncio.gather(
        writer.insert_many([an_entry("one")]), writer.insert_many([an_entry("two")]), return_exceptions=True
    )
    store.failure = None

    assert [type(each) for each in results] == [StoreUnavailable] * 2
    assert await writer.insert_many([an_entry("three")]) == [None]


async def test_a_caller_that_has_gone_takes_nobody_with_it(store: Store) -> None:
    store.open.clear()
    writer = PacedLogWriter(store, interval=0, batch_size=10)
    first, second = (asyncio.create_task(writer.insert_many([an_entry(name)])) for name in ("one", "two"))
    for _ in range(10):
        await asyncio.sleep(0)

    first.cancel()
    await asyncio.wait([first])
    store.open.set()

    assert await second == [None]


async def test_leaving_it_waits_for_the_call_that_runs(store: Store) -> None:
    store.open.clear()
    async with PacedLogWriter(store, interval=0, batch_size=10) as writer:
        writing = asyncio.create_task(writer.insert_many([an_entry("one")]))
        for _ in range(10):
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(store.open.set)

    assert writing.done()
    assert await writing == [None]
