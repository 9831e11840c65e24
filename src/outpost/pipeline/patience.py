"""Waiting for a server that is away, where giving up would lose something."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from outpost.domain.errors import Unavailable

_logger = logging.getLogger("outpost.pipeline")

T = TypeVar("T")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 0.7
"""Shorter than a second, so that work goes on within one after the server is back."""
_JITTER = 0.2


async def patiently(what: str, step: Callable[[], Awaitable[T]]) -> T:
    """Take a step again and again, with growing pauses, until it is not refused as Unavailable; return its result.

    Cancelling leaves what cancelling the step leaves.

    Args:
        what: The step in the log, as in "logging attempts".
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            return await step()
        except Unavailable as error:
            seconds = pause * random.uniform(1 - _JITTER, 1 + _JITTER)
            fields = {"step": what, "error": str(error), "pause_seconds": round(seconds, 2)}
            _logger.warning("a server is away", extra={"fields": fields})
        await asyncio.sleep(seconds)
        pause = min(pause * 2, _LONGEST_PAUSE)
