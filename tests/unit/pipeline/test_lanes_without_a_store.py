"""Lanes whose tasks all come from a queue, and tasks that cannot be delivered now."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from outpost.conformance.ledger import TENANT, a_settlement, an_acceptance
from outpost.domain.delivery import DeliveryTask
from outpost.domain.identifiers import DestinationId
from outpost.pipeline.lanes import LaneLimits, Lanes, Postponed
from outpost.ports.delivery_queue import LaneKey
from outpost.ports.ledger import LeasedTask, Settlement
from tests.support.asking import until

BUSY, QUICK = DestinationId("busy"), DestinationId("quick")
MOMENT = timedelta(milliseconds=30)


def now() -> datetime:
    return datetime.now(UTC)


def leased(event_id: str = "evt_1", destination: DestinationId = BUSY) -> LeasedTask:
    return LeasedTask(DeliveryTask(event=an_acceptance(event_id).event, destination_id=destination), event_id)


class Deliveries:
    """Stands in for delivering: the first tries of a task are postponed as told."""

    def __init__(self) -> None:
        self.postpone: dict[str, int] = {}
        self.by = MOMENT
        self.tried: list[tuple[str, datetime]] = []
        self.settled: list[Settlement] = []
        self.retry_at: datetime | None = None
        self.most_at_once = 0
        self._at_once = 0
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def deliver(self, leased: LeasedTask) -> Settlement | Postponed:
        name = str(leased.task.event.id)
        self.tried.append((name, now()))
        if self.postpone.get(name, 0):
            self.postpone[name] -= 1
            return Postponed(leased, now() + self.by)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await self.may_end.wait()
        self._at_once -= 1
        return a_settlement(leased, success=self.retry_at is None, retry_at=self.retry_at)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        self.settled += settlements


@pytest.fixture
def deliveries() -> Deliveries:
    return Deliveries()


@asynccontextmanager
async def running(deliveries: Deliveries, **limits: int) -> AsyncIterator[Lanes]:
    lanes = Lanes(
        queue=None, deliver=deliveries.deliver, settle=deliveries.settle, clock=now, limits=LaneLimits(**limits)
    )
    owner = asyncio.create_task(lanes.run())
    await asyncio.sleep(0)
    try:
        yield lanes
    finally:
        deliveries.may_end.set()
        owner.cancel()
        await asyncio.wait([owner])


# --- tasks from a queue


async def test_what_is_added_is_delivered(deliveries: Deliveries) -> None:
    async with running(deliveries) as lanes:
        lanes.add([leased("evt_1"), leased("evt_2", QUICK)])
        await until(lambda: len(deliveries.settled) == 2)

        assert lanes.in_flight() == 0


async def test_what_is_added_before_the_start_is_delivered_after_it(deliveries: Deliveries) -> None:
    lanes = Lanes(queue=None, deliver=deliveries.deliver, settle=deliveries.settle, clock=now, limits=LaneLimits())
    lanes.add([leased()])
    assert deliveries.tried == []

    owner = asyncio.create_task(lanes.run())
    await until(lambda: len(deliveries.settled) == 1)

    owner.cancel()
    await asyncio.wait([owner])


async def test_tasks_come_from_the_queue_only(deliveries: Deliveries) -> None:
    async with running(deliveries) as lanes:
        assert lanes.may_lease(TENANT, [BUSY]) == frozenset()
        lanes.tasks_wait(LaneKey(TENANT, BUSY), now())
        await asyncio.sleep(0)

        assert deliveries.tried == []


async def test_a_retry_is_left_to_the_schedule(deliveries: Deliveries) -> None:
    deliveries.retry_at = now()
    async with running(deliveries) as lanes:
        lanes.add([leased()])
        await until(lambda: len(deliveries.settled) == 1)
        await asyncio.sleep(0)

    assert len(deliveries.tried) == 1


# --- tasks that cannot be delivered now


async def test_a_postponed_task_is_tried_again_when_it_was_said_and_not_before(deliveries: Deliveries) -> None:
    """FIX-18."""
    deliveries.postpone["evt_1"] = 2
    async with running(deliveries) as lanes:
        lanes.add([leased()])
        await until(lambda: len(deliveries.settled) == 1)

    first, second, third = [at for _, at in deliveries.tried]
    assert second - first >= MOMENT
    assert third - second >= MOMENT


async def test_a_postponed_task_holds_no_slot(deliveries: Deliveries) -> None:
    """FIX-18."""
    deliveries.postpone["held"] = 1
    deliveries.by = timedelta(hours=1)
    async with running(deliveries, in_flight=1, first_window=1, lane_in_flight=1) as lanes:
        lanes.add([leased("held"), leased("evt_1"), leased("evt_2", QUICK)])

        await until(lambda: len(deliveries.settled) == 2)

        assert lanes.in_flight() == 0


async def test_a_task_that_was_not_sent_leaves_the_window_as_it_is(deliveries: Deliveries) -> None:
    deliveries.postpone = {f"held_{number}": 1 for number in range(20)}
    deliveries.by = timedelta(hours=1)
    deliveries.may_end.clear()
    async with running(deliveries, first_window=2) as lanes:
        lanes.add([leased(f"held_{number}") for number in range(20)])
        lanes.add([leased(f"evt_{number}") for number in range(20)])
        await until(lambda: len(deliveries.tried) >= 22)
        await asyncio.sleep(0)

        assert deliveries.most_at_once == 2


async def test_a_task_that_waits_is_no_result_that_is_not_stored(deliveries: Deliveries) -> None:
    deliveries.postpone = {f"held_{number}": 1 for number in range(20)}
    deliveries.by = timedelta(hours=1)
    async with running(deliveries, unsettled=5) as lanes:
        lanes.add([leased(f"held_{number}") for number in range(20)])
        lanes.add([leased("evt_1")])

        await until(lambda: len(deliveries.settled) == 1)


async def test_a_task_that_waits_does_not_hold_up_the_end(deliveries: Deliveries) -> None:
    deliveries.postpone["evt_1"] = 1
    async with running(deliveries) as lanes:
        lanes.add([leased()])
        await until(lambda: len(deliveries.tried) == 1)

    assert deliveries.settled == []
    await asyncio.sleep(0)
    assert len(deliveries.tried) == 1
