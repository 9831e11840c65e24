"""The retry schedule in Redis, a single server or a cluster, as the original program keeps it.

Both programs may work off one schedule side by side, except on a cluster, where the original does not run. Keys are in
redis_layout.py, ids in redis_ids.py, bodies in redis_body.py.

An entry is a receipt's to settle or postpone as long as it has the count of takes and the time of the first that taking
it left. Whoever plans it anew clears both, and whoever takes it counts on, whichever program does it.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from outpost.clients.redis import Argument, Redis, Script
from outpost.domain.retry_policy import LONGEST_DELAY
from outpost.ports.clock import Clock
from outpost.ports.retry_scheduler import DueRetries, DueRetry, PlannedRetry, RetryKey
from outpost.schedulers.redis_body import BrokenBody, identity, read_body, write_body
from outpost.schedulers.redis_errors import scheduler_errors
from outpost.schedulers.redis_ids import dead_letter_id, entry_id, spare_id
from outpost.schedulers.redis_layout import queue_keys
from outpost.schedulers.redis_scripts import BURY, CANCEL, EARLIEST, POSTPONE, SCHEDULE, SETTLE, TAKE_DUE
from outpost.schedulers.retry_pause import retry_pause

_logger = logging.getLogger(__name__)

_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)
_NO_DELAY = timedelta()

_ENTRIES_PER_SCRIPT = 100
"""Nobody else is served while a script runs: these take the server about a millisecond."""


@dataclass(frozen=True)
class _Receipt:
    id: bytes
    takes: int
    first_taken: bytes


class RedisRetryScheduler:
    """`RetryScheduler` over an open client.

    Args:
        visibility: How long an entry that was taken is hidden; whole seconds, at least one.
        prefix: The deployment id followed by a colon, or empty.
        queue: The queue's name.
        on_cluster: Whether the client's server is a cluster.

    Raises:
        ValueError: The name of the queue is not one that RSMQ allows.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        clock: Clock,
        visibility: timedelta = timedelta(seconds=30),
        prefix: str = "",
        queue: str = "deliverymq-retry",
        on_cluster: bool = False,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._visibility = visibility
        self._keys = queue_keys(queue, prefix=prefix, on_cluster=on_cluster)

    async def schedule_many(self, plans: Sequence[PlannedRetry]) -> None:
        now = self._clock()
        keys = [self._keys.entries, self._keys.content, self._keys.queues]
        await self._run(
            SCHEDULE, keys, [_planning(plan, now) for plan in plans], before=self._created_as(self._keys.queue)
        )

    async def cancel_many(self, keys: Sequence[RetryKey]) -> None:
        cancelling = [(entry_id(key), spare_id(key), identity(key)) for key in keys]
        await self._run(CANCEL, [self._keys.entries, self._keys.content], cancelling)

    async def take_due(self, limit: int) -> DueRetries:
        keys = [self._keys.entries, self._keys.content]
        with scheduler_errors():
            now, earliest, taken = await self._redis.run(TAKE_DUE, keys, [limit, self._visibility // _MILLISECOND])
        epoch = self._epoch(now)
        items: list[DueRetry] = []
        broken: list[_Receipt] = []
        for id_, score, takes, first_taken, body in taken:
            receipt = _Receipt(id_, takes, first_taken)
            try:
                plan = read_body(body, due_at=epoch + float(score) * _MILLISECOND)
            except BrokenBody as error:
                name, dead_queue = id_.decode(errors="replace"), self._keys.dead_queue
                _logger.error("what is planned under %s cannot be read and goes to %s: %s", name, dead_queue, error)
                broken.append(receipt)
            else:
                items.append(DueRetry(plan, receipt))
        await self._bury(broken)
        return DueRetries(items=items, next_due=None if earliest is None else epoch + float(earliest) * _MILLISECOND)

    async def settle_many(self, settled: Sequence[DueRetry]) -> None:
        settling = [_proof(_receipt(due)) for due in settled]
        await self._run(SETTLE, [self._keys.entries, self._keys.content], settling)

    async def postpone_many(self, postponed: Sequence[DueRetry]) -> Sequence[DueRetry]:
        hiding: list[Sequence[Argument]] = []
        given_up: list[DueRetry] = []
        for due in postponed:
            receipt = _receipt(due)
            pause = retry_pause(receipt.takes, self._visibility)
            if pause is None:
                given_up.append(due)
            else:
                hiding.append((*_proof(receipt), pause // _MILLISECOND))
        _, buried = await asyncio.gather(
            self._run(POSTPONE, [self._keys.entries, self._keys.content], hiding),
            self._bury([_receipt(due) for due in given_up]),
        )
        dead = [due for due, is_buried in zip(given_up, buried, strict=True) if is_buried]
        for due in dead:
            self._log_dead(due)
        return dead

    async def next_due(self) -> datetime | None:
        with scheduler_errors():
            now, earliest = await self._redis.run(EARLIEST, [self._keys.entries])
        return None if earliest is None else self._epoch(now) + float(earliest) * _MILLISECOND

    async def _bury(self, receipts: Sequence[_Receipt]) -> list[int]:
        """Move entries to the dead letters; return of each whether it was still taken."""
        keys = self._keys
        burying = [(*_proof(receipt), dead_letter_id()) for receipt in receipts]
        replies = await self._run(
            BURY,
            [keys.entries, keys.content, keys.dead_entries, keys.dead_content, keys.queues],
            burying,
            before=self._created_as(keys.dead_queue),
        )
        return [buried for reply in replies for buried in reply]

    async def _run(
        self,
        script: Script,
        keys: Sequence[bytes],
        entries: Sequence[Sequence[Argument]],
        *,
        before: Sequence[Argument] = (),
    ) -> list[Any]:
        """Run a script for many entries, in parts that travel together; return the reply to each part.

        Args:
            entries: Of each, its arguments.
            before: The arguments that come before those of the entries.
        """
        parts = [entries[start : start + _ENTRIES_PER_SCRIPT] for start in range(0, len(entries), _ENTRIES_PER_SCRIPT)]
        with scheduler_errors():
            return await asyncio.gather(
                *[self._redis.run(script, keys, [*before, *chain.from_iterable(part)]) for part in parts]
            )

    def _created_as(self, queue: str) -> Sequence[Argument]:
        return (queue, self._visibility // _SECOND)

    def _epoch(self, now: int) -> datetime:
        """Return when the server's milliseconds began, by our clock; the server's is at `now`."""
        return self._clock() - now * _MILLISECOND

    def _log_dead(self, due: DueRetry) -> None:
        key, receipt = due.plan.key, _receipt(due)
        fields = {
            "queue": self._keys.queue,
            "dlq": self._keys.dead_queue,
            "message_id": receipt.id.decode(errors="replace"),
            "receive_count": receipt.takes,
            "tenant_id": key.tenant_id,
            "event_id": key.event_id,
            "destination_id": key.destination_id,
        }
        _logger.error("a retry could not be run for too long and went to the dead letters", extra={"fields": fields})


def _planning(plan: PlannedRetry, now: datetime) -> Sequence[Argument]:
    delay = min(max(plan.due_at - now, _NO_DELAY), LONGEST_DELAY)
    milliseconds = -(-delay // _MILLISECOND)  # rounded up: never early
    return entry_id(plan.key), spare_id(plan.key), identity(plan.key), milliseconds, write_body(plan)


def _receipt(due: DueRetry) -> _Receipt:
    assert isinstance(due.receipt, _Receipt), "taken from another schedule"
    return due.receipt


def _proof(receipt: _Receipt) -> tuple[Argument, ...]:
    return receipt.id, receipt.takes, receipt.first_taken
