"""Log lines that are due for every event: decided on before they are made.

A line costs some 5 µs to make, two of them a tenth of what an event may cost. The handler would drop most of them at
high rates; asking first makes dropping them cost next to nothing.
"""

import logging
import time
from typing import Any

from outpost.telemetry.logs import SAMPLED_AFTER


class EventLine:
    """One message of one logger at level info, at most 100 per second in full and every 100th after that."""

    __slots__ = ("_count", "_logger", "_message", "_second")

    def __init__(self, logger: logging.Logger, message: str) -> None:
        self._logger = logger
        self._message = message
        self._second = 0
        self._count = 0

    def wanted(self) -> bool:
        """Say whether the next line is to be written; call it once for each line."""
        if not self._logger.isEnabledFor(logging.INFO):
            return False
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._count = 0
        self._count += 1
        return self._count <= SAMPLED_AFTER or self._count % SAMPLED_AFTER == 0

    def write(self, **fields: Any) -> None:
        self._logger.info(self._message, extra={"fields": fields, "sampled": True})
