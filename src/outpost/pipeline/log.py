"""Attempts on their way from the queue into the log store, as many at once as have arrived."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from outpost.pipeline.messages import BrokenMessage, read_entry
from outpost.pipeline.patience import patiently
from outpost.pipeline.record import log_refusal
from outpost.ports.log_store import LoggedAttempt
from outpost.ports.log_writer import LogWriter
from outpost.ports.queue import Message, Queue

_logger = logging.getLogger("outpost.log")

_FINISH_SECONDS = 5.0


class LogIntake:
    """Writes what the queue lends. A message is acknowledged once its attempt is durable."""

    def __init__(self, *, entries: Queue, log: LogWriter, batch_size: int) -> None:
        """Args:
        batch_size: Most attempts written in one call.
        """
        self._entries = entries
        self._log = log
        self._batch_size = batch_size

    async def run(self) -> None:
        """Write until cancelled; then finish the batch that is being written, unless the log is away."""
        while True:
            messages = await self._entries.receive()
            for start in range(0, len(messages), self._batch_size):
                await _finished(self._write(messages[start : start + self._batch_size]))

    async def _write(self, messages: Sequence[Message]) -> None:
        readable: list[Message] = []
        entries: list[LoggedAttempt] = []
        for message in messages:
            try:
                entries.append(read_entry(message.body))
                readable.append(message)
            except BrokenMessage as error:
                _logger.error("a message is no log entry", extra={"fields": {"error": str(error)}})
                self._entries.reject(message)
        if not entries:
            return
        refusals = await patiently(
            "logging attempts",
            lambda: self._log.insert_many(entries),
            meanwhile="attempts stay in the log queue",
            count=len(entries),
        )
        for message, refusal in zip(readable, refusals, strict=True):
            if refusal is not None:  # to the dead letters, where a person finds it
                log_refusal(refusal)
                self._entries.reject(message)
        self._entries.ack([message for message, refusal in zip(readable, refusals, strict=True) if refusal is None])


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Do work to its end; if cancelled, for a few seconds more, so that what is stored is acknowledged too."""
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing], timeout=_FINISH_SECONDS)
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        raise
