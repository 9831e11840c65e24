"""Delivery tasks on their way from the queue into the lanes."""

import asyncio
import logging
from collections.abc import Sequence

from outpost.pipeline.lanes import Lanes
from outpost.pipeline.messages import BrokenMessage, read_task
from outpost.pipeline.parking import Parking
from outpost.ports.ledger import LeasedTask
from outpost.ports.queue import Message, Queue

_logger = logging.getLogger("outpost.delivery")


class TaskIntake:
    """Moves what the queue lends into the lanes. The queue lends no more than there is room for."""

    def __init__(self, *, deliveries: Queue, lanes: Lanes, parking: Parking | None = None) -> None:
        """Args:
        parking: Told when there may be too many tasks; None where nothing is parked.
        """
        self._deliveries = deliveries
        self._lanes = lanes
        self._parking = parking

    async def run(self) -> None:
        """Take and deliver tasks until cancelled; then let what is in flight end. The rest goes back to the queue."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lanes.run())
            group.create_task(self._take_tasks())
            if self._parking is not None:
                group.create_task(self._parking.run())

    async def _take_tasks(self) -> None:
        while True:
            self._take(await self._deliveries.receive())

    def _take(self, messages: Sequence[Message]) -> None:
        leased: list[LeasedTask] = []
        for message in messages:
            try:
                leased.append(LeasedTask(read_task(message.body), message))
            except BrokenMessage as error:
                _logger.error("a message is no delivery task", extra={"fields": {"error": str(error)}})
                self._deliveries.reject(message)
        self._lanes.add(leased)
        if self._parking is not None:
            self._parking.tasks_arrived()
