"""The `Date` header of answers (RFC 9110, 6.6.1: a server with a clock sends one)."""

import time
from collections.abc import Callable
from email.utils import formatdate


class DateHeader:
    """The present second, written once for all answers within it."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Args:
        now: Seconds since 1970.
        """
        self._now = now
        self._second = -1
        self._value = b""

    def value(self) -> bytes:
        """Return the value, such as `Sat, 01 Jun 2024 08:23:36 GMT`."""
        second = int(self._now())
        if second != self._second:
            self._second = second
            self._value = formatdate(second, usegmt=True).encode()
        return self._value
