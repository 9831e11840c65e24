"""Planned retries whose time has come, on their way back into the delivery queue."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from outpost.pipeline.messages import write_event, write_task
from outpost.pipeline.patience import patiently
from outpost.ports.clock import Clock
from outpost.ports.log_store import LogStore
from outpost.ports.queue import Queue
from outpost.ports.retry_scheduler import DueRetry, RetryScheduler

T = TypeVar("T")

_BATCH = 100
_SHORTEST_SLEEP = 0.01
_NEVER = datetime.max.replace(tzinfo=UTC)


class RetryMonitor:
    """Takes what is due from the schedule, sends it to the delivery queue, and only then removes it.

    A retry of ours carries its event and the number of the attempt that failed. One that the original program planned
    carries neither, and the log tells both: it must hold the attempt by then.
    """

    def __init__(
        self, *, schedule: RetryScheduler, deliveries: Queue, log: LogStore, longest_sleep: timedelta, clock: Clock
    ) -> None:
        """Args:
        longest_sleep: While nothing is due. Other processes plan retries too, none with a shorter delay than this.
        """
        self._schedule = schedule
        self._deliveries = deliveries
        self._log = log
        self._longest_sleep = longest_sleep
        self._clock = clock
        self._earliest_planned: datetime | None = None  # of those that the last answer may not have known of
        self._planned = asyncio.Event()

    def planned(self, due_at: datetime) -> None:
        """Tell of a retry that was planned in this process."""
        if self._earliest_planned is None or due_at < self._earliest_planned:
            self._earliest_planned = due_at
            self._planned.set()

    async def run(self) -> None:
        """Work off the schedule until cancelled."""
        while True:
            self._earliest_planned = None
            self._planned.clear()
            due = await _patiently("taking due retries", lambda: self._schedule.take_due(_BATCH))
            if due.items:
                await self._wake(due.items)
            if len(due.items) < _BATCH:
                await self._sleep(due.next_due)

    async def _sleep(self, next_due: datetime | None) -> None:
        """Return once something is due, or may be; after the longest sleep also if the clock is set back meanwhile."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._longest_sleep / timedelta(seconds=1)
        wakes_at = next_due or _NEVER
        while True:
            self._planned.clear()
            wakes_at = min(wakes_at, self._earliest_planned or _NEVER)
            seconds = max((wakes_at - self._clock()) / timedelta(seconds=1), _SHORTEST_SLEEP)
            try:
                async with asyncio.timeout_at(min(loop.time() + seconds, latest)):
                    await self._planned.wait()
            except TimeoutError:
                return

    async def _wake(self, due: Sequence[DueRetry]) -> None:
        tasks = await asyncio.gather(*map(self._task, due))
        ready = [body for body in tasks if body is not None]
        if ready:
            await _patiently("sending due retries", lambda: self._deliveries.send_many(ready), count=len(ready))
        sent = [each for each, body in zip(due, tasks, strict=True) if body is not None]
        unknown = [each for each, body in zip(due, tasks, strict=True) if body is None]
        if sent:
            await _patiently("removing sent retries", lambda: self._schedule.settle_many(sent), count=len(sent))
        if unknown:
            await _patiently("postponing retries", lambda: self._schedule.postpone_many(unknown), count=len(unknown))

    async def _task(self, due: DueRetry) -> bytes | None:
        """Return the message of the next attempt; None if the log does not hold the last one yet."""
        plan = due.plan
        if plan.event is not None and plan.failed_attempt is not None:
            return write_task(write_event(plan.event), plan.key.destination_id, attempt_number=plan.failed_attempt + 1)
        key = plan.key
        latest = await _patiently(
            "looking up an attempt",
            lambda: self._log.latest_attempt(key.event_id, key.destination_id, tenant_id=key.tenant_id),
        )
        if latest is None:
            return None
        number = max(latest.attempt.attempt_number, plan.failed_attempt or 0) + 1
        return write_task(write_event(latest.event), key.destination_id, attempt_number=number)


async def _patiently(what: str, step: Callable[[], Awaitable[T]], *, count: int = 1) -> T:
    return await patiently(what, step, meanwhile="what is due stays in the schedule", count=count)
