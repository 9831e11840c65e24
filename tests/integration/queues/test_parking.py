"""A destination that hangs, with more behind it than RabbitMQ lends at once, beside one that is well."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import msgspec
import pytest

from outpost.conformance.builders import an_event
from outpost.domain.identifiers import DestinationId, EventId
from outpost.pipeline.intake import TaskIntake
from outpost.pipeline.lanes import LaneLimits, Lanes
from outpost.pipeline.ledger import message_of
from outpost.pipeline.messages import write_event, write_task
from outpost.pipeline.parking import Parking
from outpost.pipeline.wake import RetryMonitor
from outpost.ports.clock import system_clock
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.queues.rabbitmq import RabbitMQQueue
from outpost.queues.rabbitmq_topology import Topology
from outpost.schedulers.memory import MemoryRetryScheduler
from outpost.schedulers.redis_body import LONGEST_BODY, keeps_event
from outpost.stores.log.memory import MemoryLog, MemoryLogStore
from tests.support.rabbitmq import RabbitMQServer
from tests.support.rabbitmq_queue import a_queue

_HANGING, _HEALTHY = DestinationId("hanging"), DestinationId("healthy")
_WINDOW = 24
_BACKLOG = 3 * _WINDOW
_EVENTS = 20
_LIMITS = LaneLimits(first_window=4, drain_seconds=0)
_SMALL, _LARGE = b"{}", b'{"x":"%s"}' % (b"x" * LONGEST_BODY)


class Road:
    """Queue, lanes and parking. What is for the destination that hangs is delivered once that is let go."""

    def __init__(self, queue: RabbitMQQueue) -> None:
        self.let_go = asyncio.Event()
        self.delivered: dict[DestinationId, list[EventId]] = {_HANGING: [], _HEALTHY: []}
        self._queue = queue
        self._news = asyncio.Event()
        lanes = Lanes(queue=None, deliver=self._deliver, settle=self._settle, clock=system_clock, limits=_LIMITS)
        schedule = MemoryRetryScheduler(clock=system_clock)
        monitor = RetryMonitor(
            schedule=schedule,
            deliveries=queue,
            log=MemoryLogStore(MemoryLog()),
            longest_sleep=timedelta(seconds=5),
            clock=system_clock,
        )
        parking = Parking(
            lanes=lanes,
            deliveries=queue,
            schedule=schedule,
            on_planned=monitor.planned,
            fits=keeps_event,
            is_stuck=lambda: False,
            clock=system_clock,
        )
        self._loops = [TaskIntake(deliveries=queue, lanes=lanes, parking=parking).run, monitor.run]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for loop in self._loops:
                group.create_task(loop())

    async def publish(self, count: int, to: DestinationId, *, data: bytes = _SMALL, manual: bool = False) -> None:
        for number in range(count):
            event = msgspec.structs.replace(an_event(), id=EventId(f"{to}_{number}"), data=data)
            await self._queue.send_many([write_task(write_event(event), to, attempt_number=1, manual=manual)])

    async def until(self, count: int, to: DestinationId) -> None:
        async with asyncio.timeout(60):
            while len(set(self.delivered[to])) < count:
                self._news.clear()
                await self._news.wait()

    async def _deliver(self, leased: LeasedTask) -> Settlement:
        task = leased.task
        if task.destination_id == _HANGING:
            await self.let_go.wait()
        self.delivered[task.destination_id].append(task.event.id)
        self._news.set()
        return Settlement(leased=leased)

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        self._queue.ack([message_of(settlement.leased) for settlement in settlements])


@pytest.mark.parametrize(
    ("data", "manual"),
    [(_SMALL, False), (_LARGE, False), (_SMALL, True)],
    ids=["parked", "too large to be parked", "asked for by a person"],
)
async def test_a_backlog_of_a_destination_that_hangs_does_not_stop_another(
    rabbitmq: RabbitMQServer, topology: Topology, data: bytes, manual: bool
) -> None:
    async with a_queue(rabbitmq.url("%2F"), topology, prefetch=_WINDOW) as queue:
        road = Road(queue)
        await road.publish(_BACKLOG, _HANGING, data=data, manual=manual)
        await road.publish(_EVENTS, _HEALTHY)
        running = asyncio.create_task(road.run())

        await road.until(_EVENTS, _HEALTHY)

        assert road.delivered[_HANGING] == []
        road.let_go.set()
        await road.until(_BACKLOG, _HANGING)
        assert len(road.delivered[_HANGING]) == _BACKLOG
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
