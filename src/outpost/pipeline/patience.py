"""Waiting for a server that is away, where giving up would lose something."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from outpost.domain.errors import Unavailable
from outpost.telemetry.outages import Waiting

T = TypeVar("T")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 0.7
"""Shorter than a second, so that work goes on within one after the server is back."""
_JITTER = 0.2


async def patiently(what: str, step: Callable[[], Awaitable[T]], *, meanwhile: str, count: int = 1) -> T:
    """Take a step again and again, with growing pauses, until it is not refused as Unavailable; return its result.

    Cancelling leaves what cancelling the step leaves.

    Args:
        what: The step in the log, as in "logging attempts".
        meanwhile: What happens to the messages while it waits, in the log.
        count: How many of them there are.
    """
    pause = _FIRST_PAUSE
    with Waiting(what, meanwhile=meanwhile) as waiting:
        while True:
            try:
                return await step()
            except Unavailable as error:
                waiting.refused(error, count=count)
            await asyncio.sleep(pause * random.uniform(1 - _JITTER, 1 + _JITTER))
            pause = min(pause * 2, _LONGEST_PAUSE)
