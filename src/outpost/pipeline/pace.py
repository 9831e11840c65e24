"""Writing to a log store that would rather be asked seldom for much than often for little."""

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

from outpost.domain.errors import RecordRejected
from outpost.ports.log_store import LoggedAttempt
from outpost.ports.log_writer import LogWriter


class _Call(NamedTuple):
    entries: Sequence[LoggedAttempt]
    outcome: "asyncio.Future[Sequence[RecordRejected | None]]"


class PacedLogWriter:
    """`LogWriter` over another, to which it goes at most once in an interval, with all that came meanwhile.

    The first call after a pause is passed on at once. ClickHouse makes a part of a table for each insert and merges
    parts behind the scenes; too many of them and it refuses to take more. Use `async with`: leaving it waits for the
    call that runs.
    """

    def __init__(self, writer: LogWriter, *, interval: float, batch_size: int) -> None:
        """Args:
        interval: Seconds from the start of one call to the start of the next.
        batch_size: Entries past which a call takes no further ones in; one that is larger by itself is not divided.
        """
        self._writer = writer
        self._interval = interval
        self._batch_size = batch_size
        self._waiting: deque[_Call] = deque()
        self._flushing: asyncio.Task[None] | None = None
        self._next_at = 0.0

    async def __aenter__(self) -> "PacedLogWriter":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def insert_many(self, entries: Sequence[LoggedAttempt]) -> Sequence[RecordRejected | None]:
        loop = asyncio.get_running_loop()
        call = _Call(entries, loop.create_future())
        self._waiting.append(call)
        if self._flushing is None:
            self._flushing = loop.create_task(self._flush())
        return await call.outcome

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(max(0.0, self._next_at - loop.time()))
                self._next_at = loop.time() + self._interval
                await self._write(self._next_batch())
        finally:
            self._flushing = None

    def _next_batch(self) -> Sequence[_Call]:
        batch: list[_Call] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].entries) <= self._batch_size):
            call = self._waiting.popleft()
            if not call.outcome.done():  # else its caller was cancelled
                batch.append(call)
                size += len(call.entries)
        return batch

    async def _write(self, batch: Sequence[_Call]) -> None:
        if not batch:
            return
        try:
            outcomes = await self._writer.insert_many([entry for call in batch for entry in call.entries])
        except Exception as error:
            for call in batch:
                if not call.outcome.done():
                    call.outcome.set_exception(error)
            return
        start = 0
        for call in batch:
            end = start + len(call.entries)
            if not call.outcome.done():
                call.outcome.set_result(outcomes[start:end])
            start = end
