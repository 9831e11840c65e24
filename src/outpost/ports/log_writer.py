"""Attempts on their way into the log."""

from collections.abc import Sequence
from typing import Protocol

from outpost.domain.errors import RecordRejected
from outpost.ports.log_store import LoggedAttempt


class LogWriter(Protocol):
    """Stores attempts, each with its event, where the ledger does not do so itself.

    Promises: what is stored is durable when a call returns, and is never changed by a later one. So a call may be
    repeated, as a whole or in part, and calls may run together. An event is stored with the first of its attempts that
    arrives, whichever that is; a batch may hold many attempts of one event. An entry that can never be stored does not
    keep out the others.

    Not promised: that a call is atomic, or the order in which its entries become visible.
    """

    async def insert_many(self, entries: Sequence[LoggedAttempt]) -> Sequence[RecordRejected | None]:
        """Store entries; return for each None, or why it can never be stored.

        Raises:
            StoreUnavailable: Some or all were not stored; make the same call again. Cancelling leaves the same.
        """
        ...
