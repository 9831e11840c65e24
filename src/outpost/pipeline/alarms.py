"""Waking for what becomes due: many instants, one timer."""

import heapq
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Generic, TypeVar

from outpost.ports.clock import Clock

T = TypeVar("T")

_LONGEST_SLEEP = 5.0
"""The timers of a loop stand still while the machine is suspended, and know nothing of a clock that is set: the clock
is looked at at least this often."""

_NOT_SET_BACK = timedelta(seconds=1)
"""The loop's clock only goes forward. Another that falls behind it by no more than this makes nobody wait long."""


class Alarms(Generic[T]):
    """Calls `ring(item, due_at)` for each item once its instant has come, to the millisecond and never early."""

    def __init__(
        self, ring: Callable[[T, datetime], None], *, clock: Clock, on_set_back: Callable[[timedelta], None]
    ) -> None:
        """Args:
        on_set_back: Told by how much the clock was set back, soon after it was, if anything waits.
        """
        self._ring = ring
        self._clock = clock
        self._on_set_back = on_set_back
        self._due: list[tuple[datetime, int, T]] = []
        self._number = count()  # so that two items of one instant are never compared
        self._timer: TimerHandle | None = None
        self._loop: AbstractEventLoop | None = None

    def start(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._loop_began_at = self._clock() - timedelta(seconds=loop.time())
        self._set_timer()

    def stop(self) -> None:
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()

    def set(self, item: T, due_at: datetime) -> None:
        heapq.heappush(self._due, (due_at, next(self._number), item))
        if self._due[0][2] is item:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop is None or not self._due:
            return
        wait = (self._due[0][0] - self._now(self._loop)) / timedelta(seconds=1)
        # A millisecond late rather than early: stores compare whole milliseconds.
        self._timer = self._loop.call_later(min(max(0.0, wait) + 0.001, _LONGEST_SLEEP), self._look_at_the_clock)

    def _now(self, loop: AbstractEventLoop) -> datetime:
        now = self._clock()
        loop_began_at = now - timedelta(seconds=loop.time())
        set_back = self._loop_began_at - loop_began_at
        if set_back > _NOT_SET_BACK:
            self._on_set_back(set_back)
        if set_back > _NOT_SET_BACK or loop_began_at > self._loop_began_at:
            self._loop_began_at = loop_began_at
        return now

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if self._loop is None:
            return
        now = self._now(self._loop)
        while self._due and self._due[0][0] <= now:
            due_at, _, item = heapq.heappop(self._due)
            self._ring(item, due_at)
        self._set_timer()
