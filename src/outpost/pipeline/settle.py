"""What destinations answered, kept until the ledger has taken it."""

import asyncio
import logging
from collections.abc import Sequence

from outpost.domain.errors import Unavailable
from outpost.ports.ledger import Ledger, Settlement

_logger = logging.getLogger("outpost.delivery")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 15.0


class Settler:
    """Hands settlements to the ledger. While it is down they wait here; nothing is sent again because of it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Store settlements; return when they are stored. Cancelling leaves it open whether they were.

        Raises:
            StoreCorrupted: Nothing more can be done in this process.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._ledger.settle_many(settlements)
            except Unavailable as error:
                fields = {"error": str(error), "deliveries": len(settlements), "pause_seconds": pause}
                _logger.warning("settling waits", extra={"fields": fields})
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return
