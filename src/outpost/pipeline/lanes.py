"""Which delivery goes next, so that one destination's trouble does not slow the others.

Each destination with something to deliver has a lane:

    stored, waiting ──claim──▶ ready (in memory, leased) ──start──▶ in flight ──▶ ended ──▶ settled
        ▲                                                                                     │
        └──────────────────────────────── retry, due later ◀──────────────────────────────────┘

Three rules:

1. Turns go round. Lanes that have a ready task and room take turns, one task each, while the total allows.
2. A lane's room is a window, like TCP's: it grows with each delivery that ends in time and halves when one runs into
   its deadline, down to one. A receiver that hangs soon holds one slot; what costs the others is time, not failure.
3. Memory is bounded. Past the limits on ready tasks and their bytes, tasks stay in the store and are claimed when the
   lane has room again, earliest first. Past the limit on results that are not stored yet, nothing new starts.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from outpost.domain.errors import StoreCorrupted, Unavailable
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.pipeline.alarms import Alarms
from outpost.pipeline.lane import Backlog, Lane
from outpost.pipeline.patience import patiently
from outpost.ports.clock import Clock
from outpost.ports.delivery_queue import DeliveryQueue, LaneKey
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.telemetry.outages import Waiting

_logger = logging.getLogger(__name__)


class Postponed(NamedTuple):
    """A task that cannot be delivered now, and when it is to be tried again. It stays leased and takes up no slot."""

    leased: LeasedTask
    until: datetime


Deliver = Callable[[LeasedTask], Coroutine[Any, Any, Settlement | Postponed]]
"""Delivers one task and says how it ended."""

Settle = Callable[[Sequence[Settlement]], Coroutine[Any, Any, None]]
"""Stores how deliveries ended; returns when it is stored."""

_FIRST_CLAIM_PAUSE = 0.2
_LONGEST_CLAIM_PAUSE = 15.0


class LaneLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what runs and on what is held in memory.

    Attributes:
        in_flight: Deliveries at once, in total.
        unsettled: Deliveries, ended or not, whose results are not stored.
        lane_in_flight: Deliveries at once to one destination.
        first_window: Deliveries at once to a destination about which nothing is known yet.
        ready: Leased tasks in memory that have not started, in total.
        lane_ready: The same for one destination.
        ready_bytes: Event data of all ready tasks.
        drain_seconds: Once stopping, how long what is in flight may take to end.
    """

    in_flight: int = 512
    unsettled: int = 4_096
    lane_in_flight: int = 256
    first_window: int = 16
    ready: int = 8_192
    lane_ready: int = 2_048
    ready_bytes: int = 16 * 1024 * 1024
    drain_seconds: float = 10.0


class Lanes:
    """Starts deliveries, lane by lane. Use `run` as its one owner; everything else is called from the event loop."""

    def __init__(
        self, *, queue: DeliveryQueue | None, deliver: Deliver, settle: Settle, clock: Clock, limits: LaneLimits
    ) -> None:
        """Args:
        queue: Where tasks wait that have no room here; None if every task comes by `add`, and no more than there is
            room for.
        """
        self._queue = queue
        self._deliver = deliver
        self._settle = settle
        self._clock = clock
        self._limits = limits
        self._lanes: dict[LaneKey, Lane] = {}
        self._round: deque[Lane] = deque()
        self._in_flight = 0
        self._unsettled = 0
        self._ready = 0
        self._ready_bytes = 0
        self._starved: set[Lane] = set()
        self._alarms = Alarms(self._is_due, clock=clock, on_set_back=self._clock_was_set_back)
        self._deliveries: dict[asyncio.Task[Settlement | Postponed], Lane] = {}
        self._ended: list[tuple[Lane, Settlement]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False

    async def run(self) -> None:
        """Deliver until cancelled; then start nothing new and wait for what is in flight.

        Raises:
            StoreCorrupted: Stored data is damaged. What was in flight has ended.
        """
        self._loop = asyncio.get_running_loop()
        self._fault: asyncio.Future[None] = self._loop.create_future()
        self._alarms.start(self._loop)
        self._running = True
        try:
            if self._queue is not None:
                for key, due_at in (await self._queue.next_due()).items():
                    self.tasks_wait(key, due_at)
            self._start_deliveries()
            await self._fault
        finally:
            self._running = False
            self._alarms.stop()
            await self._drain()

    def may_lease(self, tenant_id: TenantId, destination_ids: Iterable[DestinationId]) -> frozenset[DestinationId]:
        """Return those destinations whose next task may come straight to memory instead of waiting in the store."""
        if not self._running or self._queue is None or self._full():
            return frozenset()
        lanes = self._lanes
        limit = self._limits.lane_ready
        return frozenset(
            destination_id
            for destination_id in destination_ids
            if (lane := lanes.get(LaneKey(tenant_id, destination_id))) is None
            or (not lane.stored_due and len(lane.ready) < limit)
        )

    def add(self, leased: Iterable[LeasedTask]) -> None:
        """Take leased tasks and start what may start."""
        for task in leased:
            self._put(self._lane(lane_key(task)), task)
        self._start_deliveries()

    def tasks_wait(self, key: LaneKey, due_at: datetime) -> None:
        """Note that the store holds a task of this destination which is due at `due_at`."""
        if self._queue is None:
            return
        lane = self._lane(key)
        if due_at <= self._clock():
            lane.stored_due = True
            self._claim_if_room(lane)
        elif lane.due_at is None or due_at < lane.due_at:
            lane.due_at = due_at
            self._alarms.set(key, due_at)

    def in_flight(self) -> int:
        return self._in_flight

    def held(self) -> int:
        """Return how many leased tasks are in memory."""
        return self._unsettled + self._ready

    def backlogs(self) -> list[Backlog]:
        """Return what waits, for each lane in which something does."""
        return [lane.backlog(self._limits.lane_ready) for lane in self._lanes.values() if lane.ready]

    def give_up(self, key: LaneKey, *, keep: int, may_go: Callable[[LeasedTask], bool]) -> Sequence[LeasedTask]:
        """Take ready tasks that may go out of a lane, but for its `keep` oldest; return them, oldest first."""
        lane = self._lanes.get(key)
        given_up = lane.give_up(keep, may_go) if lane else ()
        self._ready -= len(given_up)
        self._ready_bytes -= sum([len(leased.task.event.data) for leased in given_up])
        return given_up

    def _lane(self, key: LaneKey) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, self._limits.first_window)
        return lane

    def _full(self) -> bool:
        return self._ready >= self._limits.ready or self._ready_bytes >= self._limits.ready_bytes

    def _put(self, lane: Lane, task: LeasedTask) -> None:
        lane.ready.append(task)
        self._ready += 1
        self._ready_bytes += len(task.task.event.data)
        self._queue_up(lane)

    def _queue_up(self, lane: Lane) -> None:
        if not lane.queued and lane.may_start():
            lane.queued = True
            self._round.append(lane)

    # --- starting and ending deliveries

    def _start_deliveries(self) -> None:
        turns = self._round
        limits = self._limits
        while turns and self._in_flight < limits.in_flight and self._unsettled < limits.unsettled and self._running:
            lane = turns.popleft()
            lane.queued = False
            if not lane.may_start():
                continue
            task = lane.ready.popleft()
            self._ready -= 1
            self._ready_bytes -= len(task.task.event.data)
            lane.started += 1
            lane.in_flight += 1
            self._in_flight += 1
            self._unsettled += 1
            delivery = self._loop.create_task(self._deliver(task))
            self._deliveries[delivery] = lane
            delivery.add_done_callback(self._delivered)
            self._queue_up(lane)
            if not lane.queued and lane.stored_due:
                self._claim_if_room(lane)

    def _delivered(self, delivery: "asyncio.Task[Settlement | Postponed]") -> None:
        """Take down how a delivery ended; what ends in one tick of the loop is settled together."""
        lane = self._deliveries.pop(delivery)
        error = asyncio.CancelledError() if delivery.cancelled() else delivery.exception()
        if error is None:
            end = delivery.result()
            if isinstance(end, Settlement):
                if not self._ended:
                    self._loop.call_soon(self._settle_ended)
                self._ended.append((lane, end))
                return
            wait = (end.until - self._clock()) / timedelta(seconds=1)
            self._loop.call_later(max(0.0, wait), self.add, [end.leased])
        elif isinstance(error, StoreCorrupted):
            self._fail(error)
        elif isinstance(error, Exception):
            fault = (type(error), error, error.__traceback__)
            _logger.error(
                "delivery ended by a fault of this program; its task stays leased until a restart", exc_info=fault
            )
        self._unsettled -= 1
        self._release(lane)  # the window stays: nothing was learnt of the receiver
        self._go_on([lane])

    def _settle_ended(self) -> None:
        ended, self._ended = self._ended, []
        if not ended:
            return
        lanes: dict[Lane, None] = {}
        for lane, settlement in ended:
            attempt = settlement.attempt
            self._free(lane, in_time=attempt is None or attempt.code != "timeout")
            lanes[lane] = None
        self._own(self._settle_many(ended))
        self._go_on(lanes)

    async def _settle_many(self, ended: Sequence[tuple[Lane, Settlement]]) -> None:
        await self._settle([settlement for _, settlement in ended])
        self._unsettled -= len(ended)
        for lane, settlement in ended:
            if settlement.retry_at is not None:
                self.tasks_wait(lane.key, settlement.retry_at)
        self._go_on(())

    def _free(self, lane: Lane, *, in_time: bool) -> None:
        """Give back the slot of a delivery, and fit the window of its lane to how it went."""
        lane.fit_window(in_time=in_time, most=self._limits.lane_in_flight)
        self._release(lane)

    def _release(self, lane: Lane) -> None:
        lane.in_flight -= 1
        self._in_flight -= 1
        self._queue_up(lane)

    def _go_on(self, lanes: Iterable[Lane]) -> None:
        """Start what may start now that `lanes` have room."""
        if self._round:
            self._start_deliveries()
        for lane in lanes:
            if lane.stored_due:
                self._claim_if_room(lane)
            elif lane.idle():
                self._lanes.pop(lane.key, None)
        if self._starved and not self._full():
            starved, self._starved = self._starved, set()
            for other in starved:
                self._claim_if_room(other)

    # --- fetching from the store

    def _claim_if_room(self, lane: Lane) -> None:
        """Fetch stored tasks once half of the lane's share of memory is free; fetching few at a time costs more."""
        if self._queue is None or lane.claiming or not self._running or len(lane.ready) * 2 > self._share(lane):
            return
        if self._full():
            self._starved.add(lane)
            return
        lane.claiming = True
        self._own(self._claim(lane, self._queue))

    def _share(self, lane: Lane) -> int:
        return lane.share(self._limits.lane_ready)

    async def _claim(self, lane: Lane, queue: DeliveryQueue) -> None:
        pause = _FIRST_CLAIM_PAUSE
        try:
            with Waiting("reading waiting deliveries", meanwhile="deliveries wait in the store") as waiting:
                while self._running:
                    lane.stored_due = False
                    try:
                        claim = await queue.claim(lane.key, limit=self._share(lane), now=self._clock())
                    except Unavailable as error:
                        waiting.refused(error)
                        await asyncio.sleep(pause)
                        pause = min(pause * 2, _LONGEST_CLAIM_PAUSE)
                        continue
                    break
                else:
                    waiting.given_up()
                    return
        finally:
            lane.claiming = False
        for task in claim.tasks:
            self._put(lane, task)
        if claim.next_due is not None:
            self.tasks_wait(lane.key, claim.next_due)
        self._start_deliveries()
        if lane.stored_due:  # noted while the claim ran
            self._claim_if_room(lane)
        elif lane.idle():
            self._lanes.pop(lane.key, None)

    def _is_due(self, key: LaneKey, due_at: datetime) -> None:
        lane = self._lanes.get(key)
        if lane is not None and lane.due_at is not None and lane.due_at <= due_at:
            lane.due_at = None
            lane.stored_due = True
            self._claim_if_room(lane)

    def _clock_was_set_back(self, by: timedelta) -> None:
        if self._queue is not None:
            _logger.warning("the clock was set back; what waits is planned anew", extra={"fields": {"by": str(by)}})
            self._own(self._plan_anew(self._queue))

    async def _plan_anew(self, queue: DeliveryQueue) -> None:
        async def plan() -> Mapping[LaneKey, datetime]:
            await queue.move_up(now=self._clock())
            return await queue.next_due()

        what = "planning waiting deliveries anew"
        for key, due_at in (await patiently(what, plan, meanwhile="they wait longer than they need")).items():
            self.tasks_wait(key, due_at)

    # --- owning what runs

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._disown)

    def _disown(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """End `run` with an error."""
        if not self._fault.done():
            self._fault.set_exception(error)

    async def _drain(self) -> None:
        """Let what is in flight end. What cannot, because its result cannot be stored, is left to the next start."""
        deadline = self._loop.time() + self._limits.drain_seconds
        while (running := self._tasks | self._deliveries.keys()) and self._loop.time() < deadline:
            await asyncio.wait(running, timeout=deadline - self._loop.time())
            self._settle_ended()
        if running := self._tasks | self._deliveries.keys():
            unsettled = self._unsettled
            for task in running:
                task.cancel()
            _logger.warning("stopped before %d deliveries were stored; they are repeated", unsettled)
            await asyncio.wait(running)


def lane_key(leased: LeasedTask) -> LaneKey:
    return LaneKey(leased.task.event.tenant_id, leased.task.destination_id)
