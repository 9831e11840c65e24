"""Room for those destinations that can deliver, where the others have filled it.

A broker lends only so many messages at once. A destination that hangs leaves its tasks among them, until there is room
for hardly anything else. When it gets crowded, the newest tasks of slow lanes are parked:

    broker ──lends──▶ lane ──crowded, slow──▶ schedule ──5 s … 5 min──▶ broker
      ▲                         │ a person asked for it, or the schedule cannot hold it whole
      └──── end of the queue ───┘

They keep their attempt number. The longer the line of a lane's parked tasks, the later the next one comes back. What
cannot be parked goes round (rotation.py). Only what a lane needs so that it never runs dry stays, less where many are
slow.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import chain

from outpost.domain.errors import Unavailable
from outpost.pipeline.lanes import Lanes
from outpost.pipeline.ledger import message_of
from outpost.pipeline.rotation import Rotation
from outpost.pipeline.slow_lanes import SlowLanes
from outpost.ports.clock import Clock
from outpost.ports.delivery_queue import LaneKey
from outpost.ports.ledger import LeasedTask
from outpost.ports.queue import Queue
from outpost.ports.retry_scheduler import PlannedRetry, RetryKey, RetryScheduler
from outpost.telemetry.outages import Waiting

_logger = logging.getLogger("outpost.delivery")

SHORTEST_STAY = timedelta(seconds=5)
_LONGEST_STAY = timedelta(minutes=5)
_BETWEEN_RETURNS = timedelta(milliseconds=10)
_SLOW_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.25


def _crowded_at(window: int) -> int:
    """Return how many held tasks are too many, before as many are lent as the broker lends."""
    return window * 3 // 4


class Parking:
    """Parks tasks while it is crowded. Use `run` as its one owner."""

    def __init__(
        self,
        *,
        lanes: Lanes,
        deliveries: Queue,
        schedule: RetryScheduler,
        on_planned: Callable[[datetime], None],
        fits: Callable[[PlannedRetry], bool],
        is_stuck: Callable[[], bool],
        clock: Clock,
    ) -> None:
        """Args:
        deliveries: Where the tasks came from.
        schedule: A schedule of its own, from which tasks go back to `deliveries`.
        on_planned: Told when the first of those that were just parked comes back.
        fits: Whether the schedule holds a plan with its event.
        is_stuck: Whether all lanes are slow because a server is away; parking would help nobody then.
        """
        self._lanes = lanes
        self._deliveries = deliveries
        self._schedule = schedule
        self._on_planned = on_planned
        self._fits = fits
        self._is_stuck = is_stuck
        self._clock = clock
        self._slow = SlowLanes(seconds=_SLOW_SECONDS)
        self._last_returns: dict[LaneKey, datetime] = {}
        self._crowded = asyncio.Event()
        self._rotation = Rotation(lanes=lanes, deliveries=deliveries)
        self._waiting = Waiting("parking deliveries", meanwhile="deliveries of slow destinations stay in memory")

    def tasks_arrived(self) -> None:
        """Note that there may be too many now."""
        if self._is_crowded():
            self._crowded.set()

    def _is_crowded(self) -> bool:
        return self._lanes.held() > _crowded_at(self._deliveries.window)

    async def run(self) -> None:
        """Make room whenever it is crowded, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._crowded.wait()
            while self._is_crowded():
                await self.make_room(loop.time())
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            self._waiting.given_up()
            self._crowded.clear()

    async def make_room(self, now: float) -> None:
        """Park what may be parked of the lanes that are slow by now.

        Args:
            now: Seconds of a clock that only goes forward.
        """
        if self._is_stuck():
            self._slow.forget()
            return
        slow = self._slow.look(self._lanes.backlogs(), now=now)
        if not slow:
            return
        most = max(1, _crowded_at(self._deliveries.window) // (2 * len(slow)))
        keep = {backlog.key: min(backlog.share, most) for backlog in slow}
        try:
            for key in keep:
                if going := self._lanes.give_up(key, keep=keep[key], may_go=self._may_park):
                    await self._park(key, going)
                    self._waiting.succeeded()
            if self._rotation.may_turn(now):
                rest = [self._lanes.give_up(key, keep=keep[key], may_go=_any) for key in keep]
                if going := list(chain.from_iterable(rest)):
                    await self._rotation.turn(going, now)
                    self._waiting.succeeded()
        except Unavailable as error:
            self._slow.forget()
            self._waiting.refused(error, count=self._lanes.held())

    def _may_park(self, leased: LeasedTask) -> bool:
        return not leased.task.manual and self._fits(_plan(leased, self._clock()))

    async def _park(self, key: LaneKey, going: Sequence[LeasedTask]) -> None:
        returns = self._returns(key, len(going))
        try:
            await self._schedule.schedule_many(list(map(_plan, going, returns)))
        except Unavailable:
            self._lanes.add(going)
            raise
        self._deliveries.ack([message_of(leased) for leased in going])
        self._last_returns[key] = returns[-1]
        self._on_planned(returns[0])
        fields = {"tenant_id": key.tenant_id, "destination_id": key.destination_id, "count": len(going)}
        _logger.info("deliveries of a slow destination parked", extra={"fields": {**fields, "until": returns[-1]}})

    def _returns(self, key: LaneKey, count: int) -> Sequence[datetime]:
        """Return when so many more tasks come back: after those of the lane that are parked already."""
        now = self._clock()
        self._last_returns = {lane: last for lane, last in self._last_returns.items() if last > now}
        first = max(now + SHORTEST_STAY, self._last_returns.get(key, now) + _BETWEEN_RETURNS)
        return [min(first + number * _BETWEEN_RETURNS, now + _LONGEST_STAY) for number in range(count)]


def _any(leased: LeasedTask) -> bool:
    return True


def _plan(leased: LeasedTask, due_at: datetime) -> PlannedRetry:
    task = leased.task
    return PlannedRetry(
        key=RetryKey(task.event.tenant_id, task.event.id, task.destination_id),
        failed_attempt=task.attempt_number - 1,
        due_at=due_at,
        event=task.event,
    )
