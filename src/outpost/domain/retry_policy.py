"""When a failed delivery is tried again, and when it is given up."""

from datetime import timedelta

import msgspec

LONGEST_DELAY = timedelta(seconds=9_999_999)
"""The longest delay that every retry store can hold (pipeline specification, 8.1)."""


_MOST_DOUBLINGS = 64
"""Enough for the shortest interval, a microsecond, to reach the longest delay."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Attempt number in, delay until the next attempt out.

    Attributes:
        schedule: Delay after the first, second, ... failed attempt. Empty means exponential.
        interval: First delay of the exponential schedule; each later one is twice as long.
        max_retries: Retries after the first attempt; the length of `schedule` when there is one.
        jitter: How much longer than it says a delay may become, as a part of it.
    """

    schedule: tuple[timedelta, ...] = ()
    interval: timedelta = timedelta(seconds=30)
    max_retries: int = 10
    jitter: float = 0.0

    def retries_allowed(self) -> int:
        return len(self.schedule) or self.max_retries

    def delay_after(self, attempt_number: int, *, chance: float = 0.0) -> timedelta | None:
        """Return how long to wait after failed attempt `attempt_number` (from 1), or None to stop.

        Args:
            chance: From 0 to 1: how much of the jitter this delay gets.
        """
        step = max(attempt_number, 1)
        if step > self.retries_allowed():
            return None
        delay = self._delay(step)
        return min(delay + delay * (self.jitter * chance), LONGEST_DELAY) if self.jitter else delay

    def longest_wait(self, attempt_number: int) -> timedelta:
        """Return how long attempt `attempt_number` may have to wait, from when it is planned."""
        if attempt_number <= 1:
            return timedelta()
        delay = self.delay_after(attempt_number - 1, chance=1.0)
        return LONGEST_DELAY if delay is None else delay  # planned when more retries were allowed

    def _delay(self, step: int) -> timedelta:
        if self.schedule:
            return min(self.schedule[step - 1], LONGEST_DELAY)
        factor = 2 ** min(step - 1, _MOST_DOUBLINGS)
        # Compared before it is multiplied: the product may be more than a timedelta holds.
        return LONGEST_DELAY if self.interval > LONGEST_DELAY / factor else self.interval * factor
