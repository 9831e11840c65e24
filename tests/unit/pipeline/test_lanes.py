"""Which delivery goes next."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from outpost.conformance.ledger import START, TENANT, a_settlement, an_acceptance
from outpost.domain.attempt import Attempt
from outpost.domain.errors import StoreCorrupted, StoreUnavailable
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId
from outpost.pipeline.lanes import LaneLimits, Lanes
from outpost.ports.clock import Clock
from outpost.ports.delivery_queue import Claim, LaneKey
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.stores.ledger.memory import MemoryLedger
from tests.support.clock import SetClock

SLOW, QUICK = DestinationId("slow"), DestinationId("quick")


class _NoLog:
    def remember_event(self, event: Event) -> None: ...

    def remember_attempt(self, attempt: Attempt) -> None: ...


def timed_out(leased: LeasedTask) -> Settlement:
    settlement = a_settlement(leased)
    assert settlement.attempt is not None
    return msgspec.structs.replace(settlement, attempt=msgspec.structs.replace(settlement.attempt, code="timeout"))


class Deliveries:
    """Stands in for delivering: each task waits until the test lets its destination answer."""

    def __init__(self) -> None:
        self.started: list[LeasedTask] = []
        self.in_flight: dict[str, int] = {}
        self.most_in_flight: dict[str, int] = {}
        self.held: dict[str, list[asyncio.Future[bool]]] = {}
        self.holding: set[str] = set()
        self.changed = asyncio.Event()
        self.settled: list[Sequence[Settlement]] = []
        self.may_settle = asyncio.Event()
        self.may_settle.set()

    async def deliver(self, leased: LeasedTask) -> Settlement:
        destination = str(leased.task.destination_id)
        self.started.append(leased)
        running = self.in_flight[destination] = self.in_flight.get(destination, 0) + 1
        self.most_in_flight[destination] = max(self.most_in_flight.get(destination, 0), running)
        self.changed.set()
        try:
            if destination not in self.holding:
                return a_settlement(leased, success=True)
            answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self.held.setdefault(destination, []).append(answer)
            return a_settlement(leased, success=True) if await answer else timed_out(leased)
        finally:
            self.in_flight[destination] -= 1
            self.changed.set()

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        self.settled.append(settlements)
        await self.may_settle.wait()

    def answer_all(self, destination: str, *, in_time: bool) -> None:
        held, self.held[destination] = self.held.get(destination, []), []
        for answer in held:
            answer.set_result(in_time)

    async def until(self, count: int, destination: str | None = None) -> None:
        async with asyncio.timeout(5):
            while len([task for task in self.started if destination in (None, task.task.destination_id)]) < count:
                self.changed.clear()
                await self.changed.wait()


async def settled() -> None:
    """Let everything that can run now run."""
    for _ in range(50):
        await asyncio.sleep(0)


def utc_now() -> datetime:
    return datetime.now(UTC)


def lanes_over(
    ledger: MemoryLedger, deliveries: Deliveries, limits: LaneLimits | None = None, clock: Clock = utc_now
) -> Lanes:
    return Lanes(
        queue=ledger,
        deliver=deliveries.deliver,
        settle=deliveries.settle,
        clock=clock,
        limits=limits or LaneLimits(),
    )


@asynccontextmanager
async def running_lanes(
    deliveries: Deliveries,
    *,
    limits: LaneLimits | None = None,
    ledger: MemoryLedger | None = None,
    clock: Clock = utc_now,
) -> AsyncIterator[tuple[Lanes, MemoryLedger]]:
    ledger = ledger or MemoryLedger(log=_NoLog(), clock=clock)
    lanes = lanes_over(ledger, deliveries, limits, clock)
    owner = asyncio.create_task(lanes.run())
    await settled()
    try:
        yield lanes, ledger
    finally:
        deliveries.holding.clear()
        for destination in list(deliveries.held):
            deliveries.answer_all(destination, in_time=True)
        owner.cancel()
        await asyncio.wait([owner])


async def leased_to(ledger: MemoryLedger, destination: DestinationId, names: Iterable[str]) -> list[LeasedTask]:
    accepted = await ledger.accept_many([an_acceptance(name, to=(destination,)) for name in names])
    return [leased for each in accepted for leased in each.leased]


def names(count: int, prefix: str = "evt") -> list[str]:
    return [f"{prefix}_{number}" for number in range(count)]


async def test_a_ready_task_is_delivered_at_once() -> None:
    deliveries = Deliveries()
    async with running_lanes(deliveries) as (lanes, ledger):
        lanes.add(await leased_to(ledger, QUICK, names(1)))

        await deliveries.until(1)
        await settled()

        assert lanes.in_flight() == 0


async def test_a_hanging_destination_never_holds_more_than_its_window() -> None:
    deliveries = Deliveries()
    deliveries.holding.add(SLOW)
    limits = LaneLimits(in_flight=20, first_window=4)
    async with running_lanes(deliveries, limits=limits) as (lanes, ledger):
        lanes.add(await leased_to(ledger, SLOW, names(100, "slow")))
        lanes.add(await leased_to(ledger, QUICK, names(100, "quick")))

        await deliveries.until(100, QUICK)

        assert deliveries.most_in_flight[SLOW] == 4


async def test_running_into_the_deadline_halves_the_window_down_to_one() -> None:
    deliveries = Deliveries()
    deliveries.holding.add(SLOW)
    async with running_lanes(deliveries, limits=LaneLimits(first_window=8)) as (lanes, ledger):
        lanes.add(await leased_to(ledger, SLOW, names(40)))
        await deliveries.until(8)

        deliveries.answer_all(SLOW, in_time=False)
        await settled()

        assert deliveries.in_flight[SLOW] == 1
        assert len(deliveries.started) == 9


async def test_deliveries_that_end_in_time_widen_the_window() -> None:
    deliveries = Deliveries()
    deliveries.holding.add(QUICK)
    async with running_lanes(deliveries, limits=LaneLimits(first_window=2, lane_in_flight=5)) as (lanes, ledger):
        lanes.add(await leased_to(ledger, QUICK, names(50)))
        for _ in range(4):
            await settled()
            deliveries.answer_all(QUICK, in_time=True)
        await settled()

        assert deliveries.most_in_flight[QUICK] == 5


async def test_lanes_take_turns_when_the_total_is_reached() -> None:
    deliveries = Deliveries()
    first, second = DestinationId("first"), DestinationId("second")
    deliveries.holding |= {SLOW}
    async with running_lanes(deliveries, limits=LaneLimits(in_flight=1, first_window=1)) as (lanes, ledger):
        lanes.add(await leased_to(ledger, SLOW, names(1, "block")))
        await deliveries.until(1)
        lanes.add(await leased_to(ledger, first, names(3, "a")))
        lanes.add(await leased_to(ledger, second, names(3, "b")))
        deliveries.answer_all(SLOW, in_time=True)
        await deliveries.until(7)

        assert [task.task.destination_id for task in deliveries.started[1:]] == [first, second] * 3


async def test_past_the_memory_limit_tasks_wait_in_the_store_and_follow_later() -> None:
    deliveries = Deliveries()
    deliveries.holding.add(SLOW)
    limits = LaneLimits(first_window=1, lane_in_flight=1, lane_ready=3)
    async with running_lanes(deliveries, limits=limits) as (lanes, ledger):
        lanes.add(await leased_to(ledger, SLOW, names(4)))
        assert lanes.may_lease(TENANT, [SLOW, QUICK]) == {QUICK}
        await ledger.accept_many([an_acceptance(name, to=(SLOW,), lease=False) for name in names(20, "later")])
        lanes.tasks_wait(LaneKey(TENANT, SLOW), START)
        deliveries.holding.discard(SLOW)
        deliveries.answer_all(SLOW, in_time=True)

        await deliveries.until(24)

        assert len({task.task.event.id for task in deliveries.started}) == 24


async def test_memory_is_bounded_by_bytes_too() -> None:
    deliveries = Deliveries()
    deliveries.holding.add(SLOW)
    async with running_lanes(deliveries, limits=LaneLimits(first_window=1, ready_bytes=40)) as (lanes, ledger):
        lanes.add(await leased_to(ledger, SLOW, names(5)))

        assert lanes.may_lease(TENANT, [QUICK]) == frozenset()


async def test_a_stored_task_is_delivered_when_it_is_due_and_not_before() -> None:
    deliveries = Deliveries()
    delivered_at: list[datetime] = []
    due_at = datetime.now(UTC) + timedelta(milliseconds=150)
    async with running_lanes(deliveries) as (lanes, ledger):
        (leased,) = await leased_to(ledger, QUICK, names(1))
        await ledger.settle_many([a_settlement(leased, retry_at=due_at)])
        lanes.tasks_wait(LaneKey(TENANT, QUICK), due_at)
        await deliveries.until(1)
        delivered_at.append(datetime.now(UTC))

    assert delivered_at[0] >= due_at - timedelta(milliseconds=1)
    assert deliveries.started[0].task.attempt_number == 2


async def test_an_earlier_due_time_comes_first() -> None:
    deliveries = Deliveries()
    now = datetime.now(UTC)
    async with running_lanes(deliveries) as (lanes, ledger):
        for name, destination, milliseconds in (("late", SLOW, 3_600_000), ("soon", QUICK, 50)):
            (leased,) = await leased_to(ledger, destination, [name])
            due_at = now + timedelta(milliseconds=milliseconds)
            await ledger.settle_many([a_settlement(leased, retry_at=due_at)])
            lanes.tasks_wait(LaneKey(TENANT, destination), due_at)

        await deliveries.until(1)

        assert deliveries.started[0].task.destination_id == QUICK


async def test_what_waited_before_the_start_is_delivered_after_it() -> None:
    deliveries = Deliveries()
    ledger = MemoryLedger(log=_NoLog(), clock=lambda: datetime.now(UTC))
    await ledger.accept_many([an_acceptance(name, to=(SLOW, QUICK), lease=False) for name in names(30)])
    async with running_lanes(deliveries, ledger=ledger):
        await deliveries.until(60)


class _FlakyLedger(MemoryLedger):
    failures = 2

    async def claim(self, lane: LaneKey, *, limit: int, now: datetime) -> Claim:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("memory", "away")
        return await super().claim(lane, limit=limit, now=now)


async def test_a_store_that_is_away_delays_and_loses_nothing() -> None:
    deliveries = Deliveries()
    ledger = _FlakyLedger(log=_NoLog(), clock=lambda: datetime.now(UTC))
    await ledger.accept_many([an_acceptance("evt_1", to=(QUICK,), lease=False)])
    async with running_lanes(deliveries, ledger=ledger):
        await deliveries.until(1)

    assert ledger.failures == 0


class _DamagedLedger(MemoryLedger):
    async def claim(self, lane: LaneKey, *, limit: int, now: datetime) -> Claim:
        raise StoreCorrupted("memory", "bad page")


async def test_damaged_data_met_while_claiming_ends_the_loop() -> None:
    ledger = _DamagedLedger(log=_NoLog(), clock=lambda: datetime.now(UTC))
    await ledger.accept_many([an_acceptance("evt_1", to=(QUICK,), lease=False)])
    lanes = lanes_over(ledger, Deliveries())

    with pytest.raises(StoreCorrupted):
        await asyncio.wait_for(lanes.run(), 5)


async def test_damaged_data_met_while_delivering_ends_the_loop() -> None:
    class Damaged(Deliveries):
        async def deliver(self, leased: LeasedTask) -> Settlement:
            raise StoreCorrupted("memory", "bad page")

    ledger = MemoryLedger(log=_NoLog(), clock=lambda: datetime.now(UTC))
    await ledger.accept_many([an_acceptance("evt_1", to=(QUICK,), lease=False)])
    lanes = lanes_over(ledger, Damaged())

    with pytest.raises(StoreCorrupted):
        await asyncio.wait_for(lanes.run(), 5)


async def test_damaged_data_met_while_settling_ends_the_loop() -> None:
    class Damaged(Deliveries):
        async def settle(self, settlements: Sequence[Settlement]) -> None:
            raise StoreCorrupted("memory", "bad page")

    ledger = MemoryLedger(log=_NoLog(), clock=lambda: datetime.now(UTC))
    await ledger.accept_many([an_acceptance("evt_1", to=(QUICK,), lease=False)])

    with pytest.raises(StoreCorrupted):
        await asyncio.wait_for(lanes_over(ledger, Damaged()).run(), 5)


async def test_what_ends_together_is_settled_together() -> None:
    deliveries = Deliveries()
    deliveries.holding.add(SLOW)
    async with running_lanes(deliveries) as (lanes, ledger):
        lanes.add(await leased_to(ledger, SLOW, names(7)))
        await deliveries.until(7)
        deliveries.answer_all(SLOW, in_time=True)
        await settled()

    assert [len(each) for each in deliveries.settled] == [7]


async def test_a_store_that_is_slow_holds_up_no_delivery_until_too_many_results_wait() -> None:
    deliveries = Deliveries()
    deliveries.may_settle.clear()
    async with running_lanes(deliveries, limits=LaneLimits(in_flight=1, unsettled=5)) as (lanes, ledger):
        lanes.add(await leased_to(ledger, QUICK, names(9)))
        await settled()
        assert len(deliveries.started) == 5
        assert lanes.in_flight() == 0

        deliveries.may_settle.set()
        await settled()

        assert len(deliveries.started) == 9


async def test_a_planned_retry_is_delivered_when_it_is_due() -> None:
    class Failing(Deliveries):
        async def deliver(self, leased: LeasedTask) -> Settlement:
            await super().deliver(leased)
            retry_at = None if leased.task.attempt_number == 2 else datetime.now(UTC)
            return a_settlement(leased, retry_at=retry_at)

        async def settle(self, settlements: Sequence[Settlement]) -> None:
            await ledger.settle_many(settlements)

    deliveries = Failing()
    ledger = MemoryLedger(log=_NoLog(), clock=lambda: datetime.now(UTC))
    async with running_lanes(deliveries, ledger=ledger) as (lanes, _):
        lanes.add(await leased_to(ledger, QUICK, names(1)))

        await deliveries.until(2)

    assert [leased.task.attempt_number for leased in deliveries.started] == [1, 2]


async def test_a_fault_of_a_delivery_gives_its_slot_back(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Deliveries):
        async def deliver(self, leased: LeasedTask) -> Settlement:
            raise ZeroDivisionError

    async with running_lanes(Faulty()) as (lanes, ledger):
        lanes.add(await leased_to(ledger, QUICK, names(1)))
        await settled()

        assert lanes.in_flight() == 0
    assert "its task stays leased until a restart" in caplog.text


async def test_stopping_does_not_wait_for_ever_for_what_cannot_end() -> None:
    deliveries = Deliveries()
    deliveries.holding.add(SLOW)
    ledger = MemoryLedger(log=_NoLog(), clock=lambda: datetime.now(UTC))
    lanes = lanes_over(ledger, deliveries, LaneLimits(drain_seconds=0.01))
    owner = asyncio.create_task(lanes.run())
    await settled()
    lanes.add(await leased_to(ledger, SLOW, names(1)))
    await deliveries.until(1)

    owner.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(owner, 5)

    assert deliveries.in_flight[SLOW] == 0
    assert lanes.in_flight() == 0


async def test_stopping_starts_nothing_new_and_waits_for_what_is_in_flight() -> None:
    deliveries = Deliveries()
    deliveries.holding.add(SLOW)
    ledger = MemoryLedger(log=_NoLog(), clock=lambda: datetime.now(UTC))
    lanes = lanes_over(ledger, deliveries, LaneLimits(first_window=1, lane_in_flight=1))
    owner = asyncio.create_task(lanes.run())
    await settled()
    lanes.add(await leased_to(ledger, SLOW, names(2)))
    await deliveries.until(1)

    owner.cancel()
    await settled()
    assert not owner.done()
    deliveries.answer_all(SLOW, in_time=True)
    await asyncio.wait([owner])

    assert len(deliveries.started) == 1
    assert lanes.may_lease(TENANT, [QUICK]) == frozenset()


async def test_what_is_stored_goes_on_after_the_clock_was_set_back() -> None:
    deliveries, clock = Deliveries(), SetClock(START)
    async with running_lanes(deliveries, clock=clock) as (lanes, ledger):
        await ledger.accept_many([an_acceptance("stored", to=(QUICK,), lease=False)])
        clock.advance(hours=-1)

        lanes.tasks_wait(LaneKey(TENANT, QUICK), START)

        await deliveries.until(1)


class _Away(MemoryLedger):
    """It is away when it is asked to move up what waits, a few times."""

    refusals = 3

    async def move_up(self, *, now: datetime) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailable("memory", "away")
        await super().move_up(now=now)


@pytest.mark.usefixtures("no_pauses")
async def test_what_waits_is_planned_anew_however_often_the_store_is_away() -> None:
    deliveries, clock = Deliveries(), SetClock(START)
    ledger = _Away(log=_NoLog(), clock=clock)
    async with running_lanes(deliveries, ledger=ledger, clock=clock) as (lanes, _):
        await ledger.accept_many([an_acceptance("stored", to=(QUICK,), lease=False)])
        clock.advance(hours=-1)

        lanes.tasks_wait(LaneKey(TENANT, QUICK), START)

        await deliveries.until(1)

    assert ledger.refusals == 0
