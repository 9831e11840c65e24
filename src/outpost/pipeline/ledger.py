"""The ledger of several stores: queue, claims, schedule and log, used in the order that loses nothing.

    accept      claim the ids ─▶ send the tasks, confirmed ─▶ mark the ids done ─▶ told
    settle      plan the retries ┐
                log the attempts ┴▶ mark or free the claims ─▶ acknowledge the messages

No step begins before the one ahead of it is durable, so a process that dies leaves work to be done again and never work
that nobody does. Each step may be repeated. Accepting fails when a server is away: the publisher must know. Settling
waits for it: what a destination answered must not be asked for again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from outpost.domain.attempt import AttemptStatus
from outpost.domain.delivery import DeliveryTask, DropReason
from outpost.domain.errors import NotFound, Unavailable
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.pipeline.messages import write_event, write_task
from outpost.pipeline.patience import patiently
from outpost.ports.claims import ClaimKey, Claims, ClaimState
from outpost.ports.ledger import Acceptance, Accepted, LeasedTask, Settlement
from outpost.ports.log_store import LogStore
from outpost.ports.queue import Message, Queue
from outpost.ports.retry_scheduler import PlannedRetry, RetryKey, RetryScheduler

_logger = logging.getLogger("outpost.ledger")

Record = Callable[[Sequence[Settlement]], Awaitable[None]]
"""Makes attempts durable: in the log store, or in the queue to it. Raises Unavailable; may be repeated."""


class ClaimNames(Protocol):
    """Names work for the claims."""

    def publishing(self, event: Event) -> ClaimKey: ...

    def delivering(self, task: DeliveryTask) -> ClaimKey: ...


class ClaimTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long claims last.

    Attributes:
        accepting: How long accepting an event may take before another may try.
        remember_published: How long the id of an event is remembered.
        remember_delivered: How long a delivery is.
    """

    accepting: timedelta = timedelta(seconds=5)
    remember_published: timedelta = timedelta(hours=1)
    remember_delivered: timedelta = timedelta(hours=1)


class ComposedLedger:
    """`Ledger` over a queue of delivery tasks and the stores beside it.

    Leases are the broker's: a task is leased by its message, and the lease ends with the connection. Nothing is leased
    when it is accepted.
    """

    def __init__(
        self,
        *,
        deliveries: Queue,
        claims: Claims,
        names: ClaimNames,
        times: ClaimTimes,
        retries: RetryScheduler,
        on_planned: Callable[[datetime], None] | None = None,
        record: Record,
        log: LogStore,
    ) -> None:
        """Args:
        on_planned: Told when each planned retry is due.
        """
        self._deliveries = deliveries
        self._claims = claims
        self._names = names
        self._times = times
        self._retries = retries
        self._on_planned = on_planned
        self._record = record
        self._log = log

    # --- accepting

    async def accept_many(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        outcomes: list[Accepted] = [Accepted(duplicate=False)] * len(acceptances)
        chosen_ids = [number for number, acceptance in enumerate(acceptances) if acceptance.deduplicate]
        keys = [self._names.publishing(acceptances[number].event) for number in chosen_ids]
        states = await self._claims.claim_many(keys, hold=self._times.accepting) if keys else ()
        won: dict[ClaimKey, None] = {}
        for number, key, state in zip(chosen_ids, keys, states, strict=True):
            if state is ClaimState.WON:
                won[key] = None
            else:
                is_done = state is ClaimState.DONE or key in won  # won by an earlier one of this call
                outcomes[number] = Accepted(duplicate=is_done, contended=not is_done)
        tasks = [
            task
            for acceptance, outcome in zip(acceptances, outcomes, strict=True)
            if not (outcome.duplicate or outcome.contended)
            for task in _tasks(acceptance.event)
        ]
        try:
            if tasks:
                await self._deliveries.send_many(tasks)
        except BaseException:
            if won:
                await self._free(list(won))
            raise
        if won:
            await self._remember(list(won))
        return outcomes

    async def _free(self, keys: Sequence[ClaimKey]) -> None:
        """Let others accept the events at once; else they can when the claims end."""
        try:
            await self._claims.release_many(keys)
        except Unavailable as error:
            _logger.warning("claims on %d events were not released: %s", len(keys), error)

    async def _remember(self, keys: Sequence[ClaimKey]) -> None:
        try:
            await self._claims.finish_many(keys, remember=self._times.remember_published)
        except Unavailable as error:
            # The events are accepted. One that is published again soon is delivered again at most where it was not yet:
            # deliveries have claims of their own.
            _logger.warning("the ids of %d accepted events are not remembered: %s", len(keys), error)

    # --- settling

    async def settle_many(self, settlements: Sequence[Settlement]) -> None:
        await asyncio.gather(self._plan(settlements), self._record_attempts(settlements))
        await _patiently("ending claims", lambda: self._end_claims(settlements), count=len(settlements))
        self._deliveries.ack([message_of(settlement.leased) for settlement in settlements])

    async def _plan(self, settlements: Sequence[Settlement]) -> None:
        plans: list[PlannedRetry] = []
        cancelled: list[RetryKey] = []
        for settlement in settlements:
            task = settlement.leased.task
            key = RetryKey(task.event.tenant_id, task.event.id, task.destination_id)
            if settlement.retry_at is not None:
                plan = PlannedRetry(
                    key=key, failed_attempt=task.attempt_number, due_at=settlement.retry_at, event=task.event
                )
                plans.append(plan)
            elif task.manual and settlement.attempt is not None:  # it takes the place of the retry that waits, if any
                cancelled.append(key)
        if plans:
            await _patiently("planning retries", lambda: self._retries.schedule_many(plans), count=len(plans))
            if self._on_planned is not None:
                self._on_planned(min(plan.due_at for plan in plans))
        if cancelled:
            await _patiently("cancelling retries", lambda: self._retries.cancel_many(cancelled), count=len(cancelled))

    async def _record_attempts(self, settlements: Sequence[Settlement]) -> None:
        attempted = [settlement for settlement in settlements if settlement.attempt is not None]
        if attempted:
            await _patiently("logging attempts", lambda: self._record(attempted), count=len(attempted))

    async def _end_claims(self, settlements: Sequence[Settlement]) -> None:
        """A delivery that succeeded is remembered. One that failed is not: a retry that the original program plans may
        come under the number of the attempt that failed, and must not be taken for one that was made."""
        succeeded: list[ClaimKey] = []
        failed: list[ClaimKey] = []
        for settlement in settlements:
            if settlement.attempt is not None:
                is_success = settlement.attempt.status == AttemptStatus.SUCCESS
                (succeeded if is_success else failed).append(self._names.delivering(settlement.leased.task))
        remembering = self._claims.finish_many(succeeded, remember=self._times.remember_delivered)
        if failed:
            await asyncio.gather(remembering, self._claims.release_many(failed))
        else:
            await remembering

    # --- beside the road

    async def request_retry(self, tenant_id: TenantId, event_id: EventId, destination_id: DestinationId) -> int:
        latest = await self._log.latest_attempt(event_id, destination_id, tenant_id=tenant_id)
        if latest is None:
            raise NotFound("event")
        number = latest.attempt.attempt_number + 1
        task = write_task(write_event(latest.event), destination_id, attempt_number=number, manual=True)
        await self._deliveries.send_many([task])
        return number

    async def drop_waiting(
        self, tenant_id: TenantId, destination_ids: Sequence[DestinationId], reason: DropReason
    ) -> int:
        """Return 0: what waits is dropped one by one when it comes to be delivered."""
        return 0


def _tasks(event: Event) -> Sequence[bytes]:
    body = write_event(event)
    return [write_task(body, destination_id) for destination_id in event.matched_destination_ids]


async def _patiently(what: str, step: Callable[[], Awaitable[None]], *, count: int) -> None:
    meanwhile = "what destinations answered is kept in memory, and the messages stay with the broker"
    await patiently(what, step, meanwhile=meanwhile, count=count)


def message_of(leased: LeasedTask) -> Message:
    """Return the message that leases a task."""
    assert isinstance(leased.receipt, Message), "a lease of another ledger"
    return leased.receipt
