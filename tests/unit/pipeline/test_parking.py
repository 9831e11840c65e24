"""Room for destinations that can deliver."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from outpost.conformance.builders import START, TENANT, an_event
from outpost.domain.delivery import DeliveryTask
from outpost.domain.errors import SchedulerUnavailable
from outpost.domain.identifiers import DestinationId, EventId
from outpost.pipeline import rotation
from outpost.pipeline.intake import TaskIntake
from outpost.pipeline.lanes import LaneLimits, Lanes
from outpost.pipeline.messages import write_event, write_task
from outpost.pipeline.parking import Parking
from outpost.pipeline.wake import RetryMonitor
from outpost.ports.delivery_queue import LaneKey
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.ports.retry_scheduler import PlannedRetry
from outpost.queues.memory import MemoryBroker, MemoryQueue
from outpost.schedulers.memory import MemoryRetryScheduler
from outpost.stores.log.memory import MemoryLog, MemoryLogStore
from tests.support.clock import SetClock

HANGING, HEALTHY = DestinationId("hanging"), DestinationId("healthy")
WINDOW = 4
SHARE = 8
PREFETCH = 200

not_parked = pytest.mark.parametrize(("manual", "size"), [(True, 10), (False, 2_000)], ids=["manual", "large"])


class CountingBroker(MemoryBroker):
    """A broker that knows what was added to its queue."""

    def __init__(self) -> None:
        super().__init__()
        self.added: list[bytes] = []

    def add(self, bodies: Sequence[bytes]) -> None:
        self.added += bodies
        super().add(bodies)


class Schedule(MemoryRetryScheduler):
    """A schedule that may be away."""

    away = False

    async def schedule_many(self, plans: Sequence[PlannedRetry]) -> None:
        if self.away:
            raise SchedulerUnavailable("memory", "away")
        await super().schedule_many(plans)


class Road:
    """Queue, lanes and parking, with a destination that hangs and one that does not."""

    def __init__(self, prefetch: int = PREFETCH) -> None:
        self.clock = SetClock(START)
        self.now = asyncio.get_running_loop().time()
        self.broker = CountingBroker()
        self.schedule = Schedule(clock=self.clock)
        self.stuck = False
        self.delivered: list[DeliveryTask] = []
        self.hanging = asyncio.Event()
        self.queue = MemoryQueue(self.broker, prefetch=prefetch)
        limits = LaneLimits(first_window=WINDOW, drain_seconds=0)
        self.lanes = Lanes(queue=None, deliver=self._deliver, settle=self._settle, clock=self.clock, limits=limits)
        self.monitor = RetryMonitor(
            schedule=self.schedule,
            deliveries=self.queue,
            log=MemoryLogStore(MemoryLog()),
            longest_sleep=timedelta(seconds=5),
            clock=self.clock,
        )
        self.parking = Parking(
            lanes=self.lanes,
            deliveries=self.queue,
            schedule=self.schedule,
            on_planned=self.monitor.planned,
            fits=lambda plan: plan.event is not None and len(plan.event.data) < 1_000,
            is_stuck=lambda: self.stuck,
            clock=self.clock,
        )

    async def _deliver(self, leased: LeasedTask) -> Settlement:
        if leased.task.destination_id != HEALTHY:
            await self.hanging.wait()
        self.delivered.append(leased.task)
        return Settlement(leased=leased)

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            receipt = settlement.leased.receipt
            self.queue.ack([receipt])  # type: ignore[list-item]

    def publish(
        self, count: int, to: DestinationId, *, manual: bool = False, attempt: int = 1, data: bytes = b"{}"
    ) -> None:
        names = [f"{to}_{number}" for number in range(count)]
        self.broker.add([a_body(name, to, manual=manual, attempt=attempt, data=data) for name in names])

    async def look_twice(self) -> None:
        """Look at the lanes, and again when what was there then has waited too long."""
        for _ in range(2):
            self.now += 10
            await self.parking.make_room(self.now)
        await turns()

    async def parked(self) -> Sequence[PlannedRetry]:
        """Return what is parked, first to come back first; it is taken out."""
        self.clock.advance(hours=1)
        return [due.plan for due in (await self.schedule.take_due(10_000)).items]


def a_body(name: str, to: DestinationId, *, manual: bool = False, attempt: int = 1, data: bytes = b"{}") -> bytes:
    event = msgspec.structs.replace(an_event(), id=EventId(name), data=data)
    return write_task(write_event(event), to, attempt_number=attempt, manual=manual)


async def turns() -> None:
    """Let everything that can run now run."""
    for _ in range(300):
        await asyncio.sleep(0)


@asynccontextmanager
async def running_road(prefetch: int = PREFETCH) -> AsyncIterator[Road]:
    road = Road(prefetch)
    intake = TaskIntake(deliveries=road.queue, lanes=road.lanes, parking=road.parking)
    async with road.queue:
        running = asyncio.create_task(intake.run())
        await turns()
        try:
            yield road
        finally:
            road.hanging.set()
            running.cancel()
            await asyncio.wait([running])


async def test_tasks_of_a_hanging_destination_give_way_to_those_of_others() -> None:
    async with running_road() as road:
        road.publish(PREFETCH + 100, HANGING)
        road.publish(50, HEALTHY)
        await turns()
        assert road.delivered == []

        await road.look_twice()
        await road.look_twice()

        assert len([task for task in road.delivered if task.destination_id == HEALTHY]) == 50


async def test_the_newest_are_parked_and_what_the_lane_needs_stays() -> None:
    async with running_road() as road:
        road.publish(PREFETCH, HANGING)
        await turns()

        await road.look_twice()

        assert road.lanes.held() == WINDOW + SHARE
        parked = [plan.key.event_id for plan in await road.parked()]
        assert parked == [f"hanging_{number}" for number in range(WINDOW + SHARE, PREFETCH)]


async def test_the_longer_the_line_the_later_the_next_one_comes_back() -> None:
    async with running_road() as road:
        road.publish(2 * PREFETCH, HANGING)
        await turns()

        await road.look_twice()
        await road.look_twice()

        start = road.clock()
        stays = [(plan.due_at - start) / timedelta(seconds=1) for plan in await road.parked()]
        assert stays[0] == 5
        assert stays == sorted(stays)
        assert stays[-1] == pytest.approx(5 + 0.01 * (len(stays) - 1))
        assert len(stays) > PREFETCH


async def test_no_task_stays_longer_than_five_minutes() -> None:
    async with running_road() as road:
        road.parking._last_returns[LaneKey(TENANT, HANGING)] = road.clock() + timedelta(minutes=5)
        road.publish(PREFETCH, HANGING)
        await turns()
        start = road.clock()

        await road.look_twice()

        assert {plan.due_at - start for plan in await road.parked()} == {timedelta(minutes=5)}


async def test_a_task_comes_back_with_the_attempt_it_left_with() -> None:
    async with running_road() as road:
        road.publish(PREFETCH, HANGING, attempt=3)
        await turns()
        await road.look_twice()
        road.hanging.set()
        await turns()
        before = len(road.delivered)

        road.clock.advance(minutes=1)
        monitoring = asyncio.create_task(road.monitor.run())
        await turns()
        monitoring.cancel()
        await asyncio.wait([monitoring])

        assert before == WINDOW + SHARE
        assert {task.attempt_number for task in road.delivered} == {3}
        assert len({task.event.id for task in road.delivered}) == PREFETCH


@pytest.mark.parametrize("prefetch", [16, 40, 1_000])
async def test_it_is_crowded_before_all_that_is_lent_at_once_is_held(prefetch: int) -> None:
    async with running_road(prefetch) as road:
        road.publish(2 * prefetch, HANGING)
        road.publish(50, HEALTHY)
        await turns()
        assert road.lanes.held() == prefetch
        assert road.parking._crowded.is_set()

        for _ in range(20):
            road.now += 10
            await road.parking.make_room(road.now)
            await turns()

        assert len(road.delivered) == 50


async def test_many_that_hang_leave_room_together() -> None:
    async with running_road() as road:
        for number in range(20):
            road.publish(PREFETCH, DestinationId(f"hanging_{number}"))
        road.publish(50, HEALTHY)
        await turns()

        for _ in range(100):
            road.now += 10
            await road.parking.make_room(road.now)
            await turns()

        assert len(road.delivered) == 50


@not_parked
async def test_what_cannot_be_parked_goes_to_the_end_of_the_queue_as_it_is(manual: bool, size: int) -> None:
    async with running_road() as road:
        road.publish(PREFETCH, HANGING, manual=manual, attempt=2, data=b'{"x":"%s"}' % (b"x" * size))
        road.publish(50, HEALTHY)
        await turns()
        assert road.delivered == []

        await road.look_twice()

        assert len(road.delivered) == 50
        assert await road.parked() == []
        road.hanging.set()
        await turns()
        once_hanging = [task for task in road.delivered if task.destination_id == HANGING]
        assert {(task.attempt_number, task.manual) for task in once_hanging} == {(2, manual)}
        assert len({task.event.id for task in once_hanging}) == len(once_hanging) == PREFETCH


@not_parked
async def test_going_round_has_a_pace(manual: bool, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "_TASKS_PER_SECOND", 4)
    async with running_road() as road:
        road.publish(PREFETCH, HANGING, manual=manual, data=b'{"x":"%s"}' % (b"x" * size))
        await turns()
        await road.look_twice()
        gone_round = len(road.broker.added) - PREFETCH
        assert gone_round == PREFETCH - WINDOW - SHARE

        for _ in range(30):
            road.now += 1
            await road.parking.make_room(road.now)
            await turns()
        assert len(road.broker.added) == PREFETCH + gone_round

        road.now += gone_round / 4
        await road.parking.make_room(road.now)
        assert len(road.broker.added) == PREFETCH + 2 * gone_round


@not_parked
async def test_what_cannot_go_round_now_stays_where_it_is(manual: bool, size: int) -> None:
    async with running_road() as road:
        road.publish(PREFETCH, HANGING, manual=manual, data=b'{"x":"%s"}' % (b"x" * size))
        await turns()
        road.broker.go_away("a test says so")

        await road.look_twice()

        assert road.lanes.held() == PREFETCH
        road.broker.come_back()
        await road.queue.lose_connection()
        assert len(road.broker.waiting) == PREFETCH


@not_parked
async def test_what_was_lent_over_a_lost_connection_does_not_go_round_beside_itself(manual: bool, size: int) -> None:
    async with running_road() as road:
        road.publish(PREFETCH, HANGING, manual=manual, data=b'{"x":"%s"}' % (b"x" * size))
        await turns()
        await road.queue.lose_connection()

        await road.look_twice()
        await road.look_twice()

        await road.queue.lose_connection()
        assert len(set(road.broker.waiting)) == len(road.broker.waiting) == PREFETCH


async def test_nothing_is_acknowledged_before_it_is_in_the_schedule() -> None:
    async with running_road() as road:
        road.publish(PREFETCH, HANGING)
        await turns()
        road.schedule.away = True

        await road.look_twice()

        assert road.lanes.held() == PREFETCH
        await road.queue.lose_connection()
        assert len(road.broker.waiting) == PREFETCH


async def test_nothing_is_parked_while_results_cannot_be_stored() -> None:
    async with running_road() as road:
        road.publish(PREFETCH, HANGING)
        await turns()
        road.stuck = True

        await road.look_twice()
        road.stuck = False
        await road.parking.make_room(road.now + 10)

        assert road.lanes.held() == PREFETCH


async def test_a_crowd_is_noticed_when_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()
    async with running_road() as road:

        async def note(now: float) -> None:
            looked.set()

        monkeypatch.setattr(road.parking, "make_room", note)
        road.publish(PREFETCH * 3 // 4, HANGING)
        await turns()
        assert not looked.is_set()

        road.publish(1, HANGING)

        await asyncio.wait_for(looked.wait(), 5)
