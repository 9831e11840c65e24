"""Retries whose time has come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outpost.domain.delivery import DeliveryTask
from outpost.domain.event import Event
from outpost.domain.identifiers import EventId
from outpost.pipeline.messages import read_task
from outpost.pipeline.wake import RetryMonitor
from outpost.ports.retry_scheduler import PlannedRetry, RetryKey
from outpost.queues.memory import MemoryQueue
from outpost.schedulers.memory import MemoryRetryScheduler
from tests.support.asking import until
from tests.support.builders import ONE, START, TENANT, an_attempt, an_event
from tests.support.memory_road import HOUR, MemoryRoad
from tests.support.steps import Steps

VISIBILITY = timedelta(seconds=30)
_OWN = an_event()


@pytest.fixture
def road() -> MemoryRoad:
    return MemoryRoad()


def a_plan(event_id: str = "evt_1", *, number: int | None = 1, event: Event | None = _OWN) -> PlannedRetry:
    return PlannedRetry(key=RetryKey(TENANT, EventId(event_id), ONE), failed_attempt=number, due_at=START, event=event)


BY_THE_ORIGINAL = a_plan(number=None, event=None)


@asynccontextmanager
async def running(road: MemoryRoad, **parts: Any) -> AsyncIterator[RetryMonitor]:
    usual = {
        "schedule": road.watched_schedule,
        "deliveries": road.watched_queue,
        "log": road.watched_log,
        "longest_sleep": HOUR,
        "clock": road.clock,
    }
    monitor = RetryMonitor(**{**usual, **parts})
    task = asyncio.create_task(monitor.run())
    try:
        yield monitor
    finally:
        task.cancel()
        await asyncio.wait([task])


def sent(road: MemoryRoad) -> list[DeliveryTask]:
    return [read_task(body) for body in road.broker.waiting]


def log(road: MemoryRoad, *numbers: int, **changes: Any) -> None:
    road.memory.remember_event(an_event())
    for number in numbers:
        road.memory.remember_attempt(an_attempt(f"atm_{number}", attempt_number=number, **changes))


# --- from the schedule to the queue


async def test_a_retry_is_removed_after_it_was_sent(road: MemoryRoad) -> None:
    await road.schedule.schedule_many([a_plan(number=2)])
    async with running(road):
        await road.steps.until("retries.settle_many")

    assert road.steps.taken[:3] == ["retries.take_due", "queue.send_many", "retries.settle_many"]
    assert sent(road) == [DeliveryTask(event=an_event(), destination_id=ONE, attempt_number=3)]
    assert await road.schedule.next_due() is None


async def test_the_number_is_carried_and_the_log_is_not_asked(road: MemoryRoad) -> None:
    """FIX-3: a log that lags changes neither the number nor the time."""
    await road.schedule.schedule_many([a_plan(number=1)])
    async with running(road):
        await road.steps.until("retries.settle_many")

    assert "log.latest_attempt" not in road.steps.taken
    assert [task.attempt_number for task in sent(road)] == [2]


@pytest.mark.parametrize(
    ("plan", "logged", "expected"),
    [
        (BY_THE_ORIGINAL, (1, 2), 3),  # the original wrote neither number nor event
        (a_plan(number=3, event=None), (1, 2), 4),  # too long for the event, and the log lags
        (a_plan(number=1, event=None), (1, 2), 3),
        (a_plan(number=None), (1,), 2),
    ],
)
async def test_what_a_plan_does_not_say_the_log_does(
    road: MemoryRoad, plan: PlannedRetry, logged: tuple[int, ...], expected: int
) -> None:
    """FIX-3: the next number is one more than the greater of both."""
    log(road, *logged)
    await road.schedule.schedule_many([plan])
    async with running(road):
        await road.steps.until("retries.settle_many")

    assert sent(road) == [DeliveryTask(event=an_event(), destination_id=ONE, attempt_number=expected)]


async def test_an_attempt_that_the_log_does_not_hold_yet_is_waited_for(road: MemoryRoad) -> None:
    await road.schedule.schedule_many([BY_THE_ORIGINAL])
    async with running(road):
        await road.steps.until("retries.postpone_many")

    assert sent(road) == []
    assert await road.schedule.next_due() == START + VISIBILITY
    log(road, 1)
    road.clock.now += VISIBILITY
    async with running(road):
        await road.steps.until("retries.settle_many")
    assert [task.attempt_number for task in sent(road)] == [2]


async def test_an_attempt_that_the_log_never_holds_ends_among_the_dead_letters(road: MemoryRoad) -> None:
    await road.schedule.schedule_many([BY_THE_ORIGINAL])
    for number in range(1, 7):
        async with running(road):
            await road.steps.until("retries.postpone_many", count=number)
        road.clock.now += timedelta(minutes=15)

    assert road.schedule.dead == [BY_THE_ORIGINAL]


async def test_an_attempt_of_another_tenant_does_not_count(road: MemoryRoad) -> None:
    other = an_event(tenant_id="umbrella")
    road.memory.remember_event(other)
    road.memory.remember_attempt(an_attempt(tenant_id="umbrella", attempt_number=5))
    await road.schedule.schedule_many([BY_THE_ORIGINAL])
    async with running(road):
        await road.steps.until("retries.postpone_many")

    assert sent(road) == []


async def test_one_retry_that_must_wait_does_not_hold_up_the_others(road: MemoryRoad) -> None:
    await road.schedule.schedule_many([BY_THE_ORIGINAL, a_plan("evt_2", event=an_event("evt_2"))])
    async with running(road):
        await road.steps.until("retries.postpone_many")

    assert [task.event.id for task in sent(road)] == ["evt_2"]


async def test_what_is_planned_anew_while_the_old_one_is_sent_is_kept(road: MemoryRoad) -> None:
    """FIX-1: the new attempt has failed already when the old plan is removed."""
    road.steps.hold("retries.settle_many")
    await road.schedule.schedule_many([a_plan(number=1)])
    async with running(road) as monitor:
        await road.steps.until("retries.settle_many")
        await road.schedule.schedule_many([a_plan(number=2)])
        monitor.planned(START)

        road.steps.let_go("retries.settle_many")
        await until(lambda: len(sent(road)) == 2)

    assert [task.attempt_number for task in sent(road)] == [2, 3]


async def test_a_burst_is_worked_off_in_batches(road: MemoryRoad) -> None:
    """FIX-20."""
    plans = [a_plan(f"evt_{number}", event=an_event(f"evt_{number}")) for number in range(250)]
    await road.schedule.schedule_many(plans)
    async with running(road):
        await until(lambda: road.steps.taken.count("retries.settle_many") == 3)

    assert len({task.event.id for task in sent(road)}) == 250
    assert road.steps.taken.count("queue.send_many") == 3
    assert await road.schedule.next_due() is None


async def test_lookups_are_made_together_and_bounded(road: MemoryRoad) -> None:
    """FIX-20."""
    await road.schedule.schedule_many([a_plan(f"evt_{number}", event=None) for number in range(150)])
    road.steps.hold("log.latest_attempt")
    async with running(road):
        await road.steps.until("log.latest_attempt", count=100)
        await asyncio.sleep(0)

        assert road.steps.taken.count("log.latest_attempt") == 100
        road.steps.let_go("log.latest_attempt")


# --- servers that are away


@pytest.mark.parametrize("step", ["retries.take_due", "queue.send_many", "retries.settle_many", "log.latest_attempt"])
@pytest.mark.usefixtures("no_pauses")
async def test_a_server_that_is_away_delays_and_loses_nothing(road: MemoryRoad, step: str) -> None:
    """FIX-7: however long; the loop does not give up."""
    log(road, 1)
    await road.schedule.schedule_many([BY_THE_ORIGINAL])
    road.steps.fail(step, times=30)
    async with running(road):
        await until(lambda: "retries.settle_many" in road.steps.taken and road.steps.taken.count(step) > 30)
        await asyncio.sleep(0)

    assert [task.attempt_number for task in sent(road)] == [2]
    assert await road.schedule.next_due() is None


@pytest.mark.parametrize("step", ["queue.send_many", "retries.settle_many"])
async def test_a_process_that_dies_leaves_its_retries_to_another(road: MemoryRoad, step: str) -> None:
    await road.schedule.schedule_many([a_plan()])
    road.steps.hold(step)
    async with running(road):
        await road.steps.until(step)

    road.steps.let_go(step)
    road.clock.now += VISIBILITY
    async with running(road):
        await road.steps.until("retries.settle_many", count=road.steps.taken.count("retries.settle_many") + 1)

    assert {task.attempt_number for task in sent(road)} == {2}
    assert await road.schedule.next_due() is None


# --- when


class Sleeper:
    """A monitor by the true clock, and what it is asked."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.schedule = MemoryRetryScheduler(clock=now)
        self.watched = self.steps.watch("retries", self.schedule)

    async def plan(self, monitor: RetryMonitor | None, event_id: str, *, milliseconds: int) -> datetime:
        due_at = now() + timedelta(milliseconds=milliseconds)
        event = an_event(event_id)
        key = RetryKey(TENANT, event.id, ONE)
        await self.schedule.schedule_many([PlannedRetry(key=key, failed_attempt=1, due_at=due_at, event=event)])
        if monitor is not None:
            monitor.planned(due_at)
        return due_at


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def asleep(road: MemoryRoad, sleeper: Sleeper, longest_sleep: timedelta = HOUR) -> AsyncIterator[RetryMonitor]:
    """A monitor that has found nothing due."""
    async with running(road, schedule=sleeper.watched, clock=now, longest_sleep=longest_sleep) as monitor:
        await sleeper.steps.until("retries.take_due")
        for _ in range(5):
            await asyncio.sleep(0)
        yield monitor


async def test_a_retry_is_sent_when_it_is_due_and_not_before(road: MemoryRoad) -> None:
    sleeper = Sleeper()
    due_at = await sleeper.plan(None, "evt_1", milliseconds=60)
    async with asleep(road, sleeper):
        await sleeper.steps.until("retries.settle_many")

        assert now() >= due_at


async def test_what_is_planned_here_wakes_a_monitor_that_would_sleep_longer(road: MemoryRoad) -> None:
    sleeper = Sleeper()
    async with asleep(road, sleeper) as monitor:
        await sleeper.plan(monitor, "late", milliseconds=3_600_000)
        due_at = await sleeper.plan(monitor, "soon", milliseconds=30)

        await sleeper.steps.until("retries.settle_many")

        assert now() >= due_at
    assert [task.event.id for task in sent(road)] == ["soon"]


@pytest.mark.parametrize("step", ["retries.take_due", "retries.settle_many"])
async def test_what_is_planned_here_while_the_monitor_works_is_not_missed(road: MemoryRoad, step: str) -> None:
    """What the schedule answered before does not know of it."""
    sleeper = Sleeper()
    await sleeper.plan(None, "first", milliseconds=0)
    sleeper.steps.hold(step)
    async with running(road, schedule=sleeper.watched, clock=now) as monitor:
        await sleeper.steps.until(step)
        await sleeper.plan(monitor, "second", milliseconds=60)
        sleeper.steps.let_go(step)

        await sleeper.steps.until("retries.settle_many", count=2)

    assert [task.event.id for task in sent(road)] == ["first", "second"]


async def test_what_another_process_planned_is_found_after_the_longest_sleep(road: MemoryRoad) -> None:
    sleeper = Sleeper()
    async with asleep(road, sleeper, longest_sleep=timedelta(milliseconds=50)):
        await sleeper.plan(None, "evt_1", milliseconds=0)

        await sleeper.steps.until("retries.settle_many")


async def test_a_clock_that_is_set_back_makes_no_monitor_sleep_longer(road: MemoryRoad) -> None:
    sleeper, set_back = Sleeper(), timedelta()
    longest = timedelta(milliseconds=300)
    await sleeper.plan(None, "soon", milliseconds=200)
    monitor = running(road, schedule=sleeper.watched, clock=lambda: now() - set_back, longest_sleep=longest)
    async with monitor as awake:
        await sleeper.steps.until("retries.take_due")
        for _ in range(5):
            await asyncio.sleep(0)
        set_back = HOUR
        await sleeper.plan(awake, "late", milliseconds=3_600_000)

        await sleeper.steps.until("retries.settle_many")

    assert [task.event.id for task in sent(road)] == ["soon"]


async def test_two_monitors_send_each_retry_once(road: MemoryRoad) -> None:
    plans = [a_plan(f"evt_{number}", event=an_event(f"evt_{number}")) for number in range(150)]
    await road.schedule.schedule_many(plans)
    async with running(road), running(road, deliveries=MemoryQueue(road.broker)):
        await until(lambda: len(sent(road)) >= 150)

    assert len(sent(road)) == 150
