"""The ledger and the delivery queue in memory, for tests: the same promises but durability."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Protocol

import msgspec

from outpost.domain.attempt import Attempt
from outpost.domain.delivery import DeliveryTask, DropReason
from outpost.domain.errors import BacklogFull, NotFound
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.domain.retry_policy import RetryPolicy
from outpost.ports.clock import Clock
from outpost.ports.delivery_queue import Claim, LaneKey
from outpost.ports.ledger import Acceptance, Accepted, LeasedTask, Settlement

_AS_USUAL = RetryPolicy()


class EventLog(Protocol):
    """Where accepted events and attempts are remembered for reading."""

    def remember_event(self, event: Event) -> None: ...

    def remember_attempt(self, attempt: Attempt) -> None: ...


@dataclass
class _Row:
    task: DeliveryTask
    due_at: datetime
    leased: bool


class MemoryLedger:
    """Ledger and DeliveryQueue of one process."""

    def __init__(
        self,
        *,
        log: EventLog,
        clock: Clock,
        duplicate_window: timedelta = timedelta(hours=1),
        backlog_limit: int = 1_000_000,
        longest_wait: Callable[[int], timedelta] = _AS_USUAL.longest_wait,
    ) -> None:
        self._log = log
        self._clock = clock
        self._duplicate_window = duplicate_window
        self._backlog_limit = backlog_limit
        self._longest_wait = longest_wait
        self._keys = count(1)
        self._tasks: dict[int, _Row] = {}
        self._events: dict[tuple[TenantId, EventId], tuple[Event, datetime]] = {}
        self._last_numbers: dict[tuple[LaneKey, EventId], int] = {}
        self.dropped: list[tuple[DeliveryTask, DropReason]] = []

    async def accept_many(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        if (
            len(self._tasks) + sum(len(each.event.matched_destination_ids) for each in acceptances)
            > self._backlog_limit
        ):
            raise BacklogFull(self._backlog_limit)
        return [self._accept(acceptance, self._clock()) for acceptance in acceptances]

    def _accept(self, acceptance: Acceptance, now: datetime) -> Accepted:
        event = acceptance.event
        identity = (event.tenant_id, event.id)
        known = self._events.get(identity)
        if acceptance.deduplicate and known is not None and known[1] > now - self._duplicate_window:
            return Accepted(duplicate=True)
        self._events[identity] = (event, now)
        self._log.remember_event(event)
        leased: list[LeasedTask] = []
        for destination_id in event.matched_destination_ids:
            key = next(self._keys)
            task = DeliveryTask(event=event, destination_id=destination_id)
            is_leased = destination_id in acceptance.lease_to
            self._tasks[key] = _Row(task, now, is_leased)
            if is_leased:
                leased.append(LeasedTask(task, key))
        return Accepted(duplicate=False, leased=leased)

    async def settle_many(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            self._settle(settlement)

    def _settle(self, settlement: Settlement) -> None:
        key = settlement.leased.receipt
        assert isinstance(key, int), "a lease of another ledger"
        row = self._tasks.get(key)
        if row is None or not row.leased or row.task is not settlement.leased.task:
            return
        task = row.task
        if settlement.attempt is not None:
            self._log.remember_attempt(settlement.attempt)
            self._last_numbers[_pair(task)] = task.attempt_number
        elif settlement.dropped is not None:
            self.dropped.append((task, settlement.dropped))
        later = any(other > key and _pair(known.task) == _pair(task) for other, known in self._tasks.items())
        if settlement.retry_at is None or later:
            del self._tasks[key]
            return
        next_task = msgspec.structs.replace(task, attempt_number=task.attempt_number + 1, manual=False)
        self._tasks[key] = _Row(next_task, _whole_milliseconds(settlement.retry_at), leased=False)

    async def request_retry(self, tenant_id: TenantId, event_id: EventId, destination_id: DestinationId) -> int:
        known = self._events.get((tenant_id, event_id))
        if known is None or destination_id not in known[0].matched_destination_ids:
            raise NotFound("event")
        pair = (LaneKey(tenant_id, destination_id), event_id)
        number = self._last_numbers.get(pair, 0)
        for key, row in list(self._tasks.items()):
            if _pair(row.task) != pair:
                continue
            if row.leased or row.task.manual:
                number = max(number, row.task.attempt_number)
            else:
                del self._tasks[key]
        task = DeliveryTask(event=known[0], destination_id=destination_id, attempt_number=number + 1, manual=True)
        self._tasks[next(self._keys)] = _Row(task, self._clock(), leased=False)
        return number + 1

    async def drop_waiting(
        self, tenant_id: TenantId, destination_ids: Sequence[DestinationId], reason: DropReason
    ) -> int:
        lanes = {LaneKey(tenant_id, destination_id) for destination_id in destination_ids}
        waiting = [key for key, row in self._tasks.items() if not row.leased and _lane(row.task) in lanes]
        for key in waiting:
            self.dropped.append((self._tasks.pop(key).task, reason))
        return len(waiting)

    # --- the delivery queue

    async def claim(self, lane: LaneKey, *, limit: int, now: datetime) -> Claim:
        waiting = sorted(
            (row.due_at, key) for key, row in self._tasks.items() if not row.leased and _lane(row.task) == lane
        )
        due = [key for due_at, key in waiting if due_at <= now][:limit]
        for key in due:
            self._tasks[key].leased = True
        rest = waiting[len(due) :]
        tasks = [LeasedTask(self._tasks[key].task, key) for key in due]
        return Claim(tasks=tasks, next_due=rest[0][0] if rest else None)

    async def next_due(self) -> Mapping[LaneKey, datetime]:
        earliest: dict[LaneKey, datetime] = {}
        for row in self._tasks.values():
            if not row.leased:
                lane = _lane(row.task)
                earliest[lane] = min(earliest.get(lane, row.due_at), row.due_at)
        return earliest

    async def move_up(self, *, now: datetime) -> None:
        for row in self._tasks.values():
            if not row.leased:
                latest = now if row.task.manual else now + self._longest_wait(row.task.attempt_number)
                row.due_at = min(row.due_at, _whole_milliseconds(latest))

    def depth(self) -> int:
        return len(self._tasks)


def _lane(task: DeliveryTask) -> LaneKey:
    return LaneKey(task.event.tenant_id, task.destination_id)


def _pair(task: DeliveryTask) -> tuple[LaneKey, EventId]:
    return _lane(task), task.event.id


def _whole_milliseconds(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
