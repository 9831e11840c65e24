"""What destinations answered, kept until the ledger has taken it."""

from collections.abc import Sequence

from outpost.pipeline.patience import patiently
from outpost.ports.ledger import Ledger, Settlement


class Settler:
    """Hands settlements to the ledger. While it is down they wait here; nothing is sent again because of it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Store settlements; return when they are stored. Cancelling leaves it open whether they were.

        Raises:
            StoreCorrupted: Nothing more can be done in this process.
        """
        await patiently("settling deliveries", lambda: self._ledger.settle_many(settlements))
