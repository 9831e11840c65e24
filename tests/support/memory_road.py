"""The composed ledger over memory drivers, each of them watched."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from outpost.config.pipeline import DedupScope
from outpost.conformance.ledger import a_settlement, an_acceptance
from outpost.domain.attempt import Attempt
from outpost.pipeline.ledger import ClaimTimes, ComposedLedger
from outpost.pipeline.messages import read_task, write_event, write_task
from outpost.pipeline.record import DirectRecorder
from outpost.ports.claims import ClaimKey
from outpost.ports.ledger import Accepted, LeasedTask
from outpost.queues.memory import MemoryBroker, MemoryQueue
from outpost.schedulers.memory import MemoryRetryScheduler
from outpost.stores.claims.keys import ScopedNames
from outpost.stores.claims.memory import MemoryClaims
from outpost.stores.log.memory import MemoryLog, MemoryLogStore, MemoryLogWriter
from tests.support.builders import ONE, START
from tests.support.clock import SetClock
from tests.support.steps import Steps

HOUR = timedelta(hours=1)


class MemoryRoad:
    """A ledger, what it is composed of, and what a test asks of both."""

    def __init__(self, *, scope: DedupScope = "tenant", **parts: Any) -> None:
        """Args:
        parts: Arguments of the ledger that take the place of the usual ones.
        """
        self.steps = Steps()
        self.clock = SetClock(START)
        self.names = ScopedNames(scope)
        self.memory = MemoryLog()
        self.broker = MemoryBroker()
        self.queue = MemoryQueue(self.broker)
        self.schedule = MemoryRetryScheduler(clock=self.clock)
        self.claims = MemoryClaims(clock=self.clock)
        self.planned: list[Any] = []
        self.watched_claims = self.steps.watch("claims", self.claims)
        self.watched_queue = self.steps.watch("queue", self.queue)
        self.watched_schedule = self.steps.watch("retries", self.schedule)
        self.watched_writer = self.steps.watch("log", MemoryLogWriter(self.memory))
        self.watched_log = self.steps.watch("log", MemoryLogStore(self.memory))
        usual = {
            "deliveries": self.watched_queue,
            "claims": self.watched_claims,
            "names": self.names,
            "times": ClaimTimes(),
            "retries": self.watched_schedule,
            "on_planned": self.planned.append,
            "record": DirectRecorder(self.watched_writer).record,
            "log": self.watched_log,
        }
        self.ledger = ComposedLedger(**{**usual, **parts})

    async def accept(self, event_id: str = "evt_1", **options: Any) -> Accepted:
        (accepted,) = await self.ledger.accept_many([an_acceptance(event_id, lease=False, **options)])
        return accepted

    async def leased(self, number: int = 1, *, manual: bool = False, event_id: str = "evt_1") -> LeasedTask:
        """Return a task that came out of the queue and is claimed, as it is when its delivery begins."""
        event = an_acceptance(event_id).event
        await self.queue.send_many([write_task(write_event(event), ONE, attempt_number=number, manual=manual)])
        (message,) = await self.queue.receive()
        leased = LeasedTask(read_task(message.body), message)
        await self.claims.claim_many([self.names.delivering(leased.task)], hold=HOUR)
        return leased

    async def settle_one(self, leased: LeasedTask, *, success: bool = False, retry_in: timedelta | None = None) -> None:
        retry_at = None if retry_in is None else self.clock() + retry_in
        await self.ledger.settle_many([a_settlement(leased, success=success, retry_at=retry_at)])

    async def waiting(self) -> Sequence[Any]:
        """Return the planned retries as they will be taken."""
        self.clock.advance(days=1)
        return [due.plan for due in (await self.schedule.take_due(100)).items]

    async def state_of(self, key: ClaimKey) -> str:
        """Return what claiming a key leads to; claims it if it was free."""
        (state,) = await self.claims.claim_many([key], hold=timedelta(milliseconds=1))
        return state.value

    @property
    def attempts(self) -> Sequence[Attempt]:
        return self.memory.attempts

    async def unsettled(self) -> int:
        """Return how many messages the queue would lend again if this process died."""
        await self.queue.lose_connection()
        return len(self.broker.waiting)
