"""The retry schedule in this process's memory, for tests and trials."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from outpost.domain.retry_policy import LONGEST_DELAY
from outpost.ports.clock import Clock
from outpost.ports.retry_scheduler import DueRetries, DueRetry, PlannedRetry, RetryKey
from outpost.schedulers.retry_pause import retry_pause

_logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Entry:
    plan: PlannedRetry
    visible_at: datetime
    takes: int = 0


@dataclass(frozen=True)
class _Receipt:
    entry: _Entry
    takes: int


class MemoryRetryScheduler:
    """`RetryScheduler` over a dictionary. No method suspends, so each is atomic.

    Attributes:
        dead: What went to the dead letters.
    """

    def __init__(self, *, clock: Clock, visibility: timedelta = timedelta(seconds=30)) -> None:
        self._clock = clock
        self._visibility = visibility
        self._entries: dict[RetryKey, _Entry] = {}
        self.dead: list[PlannedRetry] = []

    async def schedule_many(self, plans: Sequence[PlannedRetry]) -> None:
        now = self._clock()
        for plan in plans:
            self._entries[plan.key] = _Entry(plan, min(max(plan.due_at, now), now + LONGEST_DELAY))

    async def cancel_many(self, keys: Sequence[RetryKey]) -> None:
        for key in keys:
            self._entries.pop(key, None)

    async def take_due(self, limit: int) -> DueRetries:
        now = self._clock()
        due = sorted(
            (entry for entry in self._entries.values() if entry.visible_at <= now), key=lambda entry: entry.visible_at
        )
        items = [self._take(entry, now) for entry in due[:limit]]
        return DueRetries(items=items, next_due=await self.next_due())

    async def settle_many(self, settled: Sequence[DueRetry]) -> None:
        for due in settled:
            if self._taken(due) is not None:
                del self._entries[due.plan.key]

    async def postpone_many(self, postponed: Sequence[DueRetry]) -> Sequence[DueRetry]:
        return [due for due in postponed if self._gives_up(due)]

    async def next_due(self) -> datetime | None:
        return min((entry.visible_at for entry in self._entries.values()), default=None)

    def _take(self, entry: _Entry, now: datetime) -> DueRetry:
        entry.visible_at = now + self._visibility
        entry.takes += 1
        return DueRetry(entry.plan, _Receipt(entry, entry.takes))

    def _gives_up(self, due: DueRetry) -> bool:
        entry = self._taken(due)
        if entry is None:
            return False
        pause = retry_pause(entry.takes, self._visibility)
        if pause is not None:
            entry.visible_at = self._clock() + pause
            return False
        _logger.error("a retry was taken %d times, and never run: it is given up", entry.takes)
        self.dead.append(self._entries.pop(due.plan.key).plan)
        return True

    def _taken(self, due: DueRetry) -> _Entry | None:
        """Return the entry if nobody planned it anew or took it again."""
        receipt = due.receipt
        assert isinstance(receipt, _Receipt), "taken from another schedule"
        entry = self._entries.get(due.plan.key)
        if entry is None or entry is not receipt.entry or entry.takes != receipt.takes:
            return None
        return entry
