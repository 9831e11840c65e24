"""What destinations answered, kept until the ledger has taken it."""

import asyncio
from collections.abc import Sequence
from itertools import count

from outpost.pipeline.patience import patiently
from outpost.ports.ledger import Ledger, Settlement

_LONG_SECONDS = 2.0


class Settler:
    """Hands settlements to the ledger. While it is down they wait here; nothing is sent again because of it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._numbers = count()
        self._begun_at: dict[int, float] = {}  # oldest first

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Store settlements; return when they are stored. Cancelling leaves it open whether they were.

        Raises:
            StoreCorrupted: Nothing more can be done in this process.
        """
        number = next(self._numbers)
        self._begun_at[number] = asyncio.get_running_loop().time()
        try:
            await patiently(
                "settling deliveries",
                lambda: self._ledger.settle_many(settlements),
                meanwhile="what destinations answered is kept in memory, and nothing is sent again",
                count=len(settlements),
            )
        finally:
            del self._begun_at[number]

    def is_stuck(self) -> bool:
        """Say whether a settlement has been waiting for seconds, because a server is away."""
        oldest = next(iter(self._begun_at.values()), None)
        return oldest is not None and asyncio.get_running_loop().time() - oldest > _LONG_SECONDS
