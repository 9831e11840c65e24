"""Delivery tasks on their way from the queue into the lanes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from outpost.conformance.ledger import a_settlement, an_acceptance
from outpost.domain.delivery import DropReason
from outpost.domain.destination import Destination
from outpost.domain.errors import Unavailable
from outpost.domain.identifiers import TenantId
from outpost.pipeline.claimed import ClaimedDeliverer
from outpost.pipeline.intake import TaskIntake
from outpost.pipeline.lanes import LaneLimits, Lanes
from outpost.pipeline.messages import write_event, write_task
from outpost.pipeline.settle import Settler
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.queues.memory import MemoryQueue
from tests.support.asking import until
from tests.support.builders import ONE, TWO
from tests.support.memory_road import HOUR, MemoryRoad
from tests.support.original_messages import RETRY, TASK


class Process:
    """What a process of role `delivery` runs, with destinations that only pretend."""

    def __init__(self, road: MemoryRoad, *, queue: MemoryQueue | None = None, limits: LaneLimits | None = None) -> None:
        self.delivered: list[LeasedTask] = []
        self.is_deleted = False
        self.success = True
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._claimed = ClaimedDeliverer(
            deliverer=cast(Any, self),
            tenants=self,
            claims=road.watched_claims,
            names=road.names,
            hold=HOUR,
            clock=road.clock,
        )
        self.lanes = Lanes(
            queue=None,
            deliver=self._claimed.deliver,
            settle=Settler(road.ledger).settle,
            clock=road.clock,
            limits=limits or LaneLimits(),
        )
        self._intake = TaskIntake(deliveries=queue or road.watched_queue, lanes=self.lanes)

    async def destinations(self, tenant_id: TenantId) -> Sequence[Destination]:
        return ()

    async def deliver(self, leased: LeasedTask, destinations: Sequence[Destination] | None) -> Settlement:
        if self.is_deleted:
            return Settlement(leased=leased, dropped=DropReason.DESTINATION_DELETED)
        self.delivered.append(leased)
        await self.may_answer.wait()
        return a_settlement(leased, success=self.success)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        async with self._claimed:
            task = asyncio.create_task(self._intake.run())
            try:
                yield task
            finally:
                self.may_answer.set()
                task.cancel()
                await asyncio.wait([task])


def a_task(event_id: str = "evt_1", number: int = 1) -> bytes:
    return write_task(write_event(an_acceptance(event_id).event), ONE, attempt_number=number)


@pytest.fixture
def road() -> MemoryRoad:
    return MemoryRoad()


@pytest.fixture
def process(road: MemoryRoad) -> Process:
    return Process(road)


async def test_a_task_is_delivered_settled_and_acknowledged(road: MemoryRoad, process: Process) -> None:
    await road.queue.send_many([a_task()])
    async with process.running():
        await road.steps.until("queue.ack")

        assert await road.unsettled() == 0
    assert [attempt.attempt_number for attempt in road.attempts] == [1]


async def test_tasks_of_the_original_are_delivered(road: MemoryRoad, process: Process) -> None:
    await road.queue.send_many([TASK, RETRY])
    async with process.running():
        await until(lambda: len(road.attempts) == 2)

    assert [(leased.task.attempt_number, leased.task.manual) for leased in process.delivered] == [
        (1, False),
        (3, False),
    ]


async def test_what_is_no_task_goes_to_the_dead_letters_and_holds_up_nobody(
    road: MemoryRoad, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    await road.queue.send_many([b'{"event":"letmein"}', a_task()])
    with caplog.at_level(logging.ERROR):
        async with process.running():
            await until(lambda: bool(road.broker.dead_letters) and bool(road.attempts))

    assert road.broker.dead_letters == [b'{"event":"letmein"}']
    assert caplog.records[0].message == "a message is no delivery task"
    assert all("letmein" not in str(vars(record)) for record in caplog.records)


async def test_a_message_that_comes_twice_is_delivered_once(road: MemoryRoad, process: Process) -> None:
    await road.queue.send_many([a_task()])
    async with process.running():
        await road.steps.until("queue.ack")
        await road.queue.send_many([a_task()])
        await road.steps.until("queue.ack", count=2)

        assert await road.unsettled() == 0
    assert len(process.delivered) == len(road.attempts) == 1


async def test_who_publishes_again_after_a_part_was_sent_reaches_each_destination_once(
    road: MemoryRoad, process: Process
) -> None:
    """FIX-19: the broker took the task of one destination before it went away."""
    acceptance = an_acceptance(to=(ONE, TWO), lease=False)
    await road.queue.send_many([a_task()])
    road.steps.fail("queue.send_many")
    with pytest.raises(Unavailable):
        await road.ledger.accept_many([acceptance])

    await road.ledger.accept_many([acceptance])

    async with process.running():
        await until(lambda: len(process.delivered) == 2)
        road.clock.advance(seconds=2)
    assert {leased.task.destination_id for leased in process.delivered} == {ONE, TWO}


async def test_what_came_again_after_a_lost_connection_is_delivered_once(road: MemoryRoad, process: Process) -> None:
    """The message of the first delivery can no longer be acknowledged; the second copy finds it done."""
    process.may_answer.clear()
    await road.queue.send_many([a_task()])
    async with process.running():
        await until(lambda: bool(process.delivered))
        await road.queue.lose_connection()
        process.may_answer.set()
        await road.steps.until("queue.ack")
        road.clock.advance(seconds=2)

        await until(lambda: bool(road.attempts))

    assert len(process.delivered) == 1


async def test_a_task_whose_destination_is_gone_is_acknowledged(road: MemoryRoad, process: Process) -> None:
    """FIX-36."""
    process.is_deleted = True
    await road.queue.send_many([a_task()])
    async with process.running():
        await road.steps.until("queue.ack")

        assert await road.unsettled() == 0
    assert road.attempts == road.broker.dead_letters == []


async def test_no_more_is_lent_than_the_queue_was_told(road: MemoryRoad) -> None:
    """FIX-5: what is left waits at the broker, for others."""
    process = Process(road, queue=MemoryQueue(road.broker, prefetch=10), limits=LaneLimits(in_flight=3, first_window=3))
    process.may_answer.clear()
    await road.queue.send_many([a_task(f"evt_{number}") for number in range(50)])
    async with process.running():
        await until(lambda: len(process.delivered) == 3)

        assert len(road.broker.waiting) == 40


# --- the end


async def test_at_the_end_what_is_in_flight_is_settled_and_the_rest_goes_back(road: MemoryRoad) -> None:
    process = Process(road, limits=LaneLimits(in_flight=3, first_window=3))
    process.may_answer.clear()
    await road.queue.send_many([a_task(f"evt_{number}") for number in range(10)])
    async with process.running() as task:
        await until(lambda: len(process.delivered) == 3)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()

        process.may_answer.set()
        await asyncio.wait([task])

    assert len(process.delivered) == len(road.attempts) == 3
    assert await road.unsettled() == 7


async def test_another_process_delivers_the_rest(road: MemoryRoad) -> None:
    first = Process(road, limits=LaneLimits(in_flight=3, first_window=3))
    await road.queue.send_many([a_task(f"evt_{number}") for number in range(30)])
    async with first.running():
        await until(lambda: len(first.delivered) >= 3)
    await road.queue.lose_connection()

    second = Process(road)
    async with second.running():
        await until(lambda: len(road.attempts) == 30)

    assert len(first.delivered) + len(second.delivered) == 30
