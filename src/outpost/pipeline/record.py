"""Where attempts go once they were made: straight into the log store, or into the queue to it."""

import logging
from collections.abc import Sequence

from outpost.domain.errors import RecordRejected
from outpost.pipeline.messages import write_entry
from outpost.ports.ledger import Settlement
from outpost.ports.log_store import LoggedAttempt
from outpost.ports.log_writer import LogWriter
from outpost.ports.queue import Queue

_logger = logging.getLogger("outpost.log")


class DirectRecorder:
    """Writes attempts into the log store, in the process that made them."""

    def __init__(self, log: LogWriter) -> None:
        self._log = log

    async def record(self, settlements: Sequence[Settlement]) -> None:
        """Raises StoreUnavailable; may be repeated."""
        for refusal in await self._log.insert_many(entries(settlements)):
            if refusal is not None:
                log_refusal(refusal)


class QueueRecorder:
    """Sends attempts to the processes of role `log`."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def record(self, settlements: Sequence[Settlement]) -> None:
        """Raises QueueUnavailable; may be repeated."""
        attempted = [settlement for settlement in settlements if settlement.attempt is not None]
        await self._queue.send_many(
            [
                write_entry(entry, settlement.destination)
                for entry, settlement in zip(entries(attempted), attempted, strict=True)
            ]
        )


def entries(settlements: Sequence[Settlement]) -> Sequence[LoggedAttempt]:
    """Return the attempts of settlements that have one, each with its event."""
    return [
        LoggedAttempt(attempt=settlement.attempt, event=settlement.leased.task.event)
        for settlement in settlements
        if settlement.attempt is not None
    ]


def log_refusal(refusal: RecordRejected) -> None:
    """Tell people of an attempt that no log store will ever hold."""
    _logger.error("an attempt cannot be logged", extra={"fields": {"error": str(refusal)}})
