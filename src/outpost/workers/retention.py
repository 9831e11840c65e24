"""Deletes what is older than the operator keeps, a little at a time."""

import asyncio
import logging
from datetime import timedelta

from outpost.pipeline.patience import patiently
from outpost.ports.clock import Clock
from outpost.ports.log_store import LogStore

_logger = logging.getLogger(__name__)

_BATCH = 500
_PAUSE_BETWEEN_BATCHES = 0.05
_PAUSE_BETWEEN_ROUNDS = 600.0


class Retention:
    """A loop that keeps the log store within its age."""

    def __init__(self, *, log: LogStore, keep: timedelta, clock: Clock) -> None:
        self._log = log
        self._keep = keep
        self._clock = clock

    async def run(self) -> None:
        """Delete what is too old now, and look again every ten minutes, until cancelled."""
        while True:
            deleted = await self.delete_expired()
            if deleted:
                _logger.info("expired events deleted", extra={"fields": {"count": deleted}})
            await asyncio.sleep(_PAUSE_BETWEEN_ROUNDS)

    async def delete_expired(self) -> int:
        """Delete in batches small enough that deliveries do not wait for them; return how many events went."""
        oldest = self._clock() - self._keep
        total = 0
        while True:
            deleted = await patiently(
                "deleting expired events",
                lambda: self._log.delete_before(oldest, limit=_BATCH),
                meanwhile="they are deleted later",
            )
            total += deleted
            if deleted < _BATCH:
                return total
            await asyncio.sleep(_PAUSE_BETWEEN_BATCHES)
