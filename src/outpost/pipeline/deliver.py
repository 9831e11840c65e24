"""One task → one send → one attempt."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from outpost.codec import format_time
from outpost.domain.attempt import Attempt, AttemptStatus
from outpost.domain.delivery import DeliveryResult, DropReason
from outpost.domain.destination import Destination
from outpost.domain.errors import InvalidInput, OutpostError, StoreCorrupted, Unavailable
from outpost.domain.identifiers import AttemptId, DestinationId, MintId
from outpost.domain.retry_policy import RetryPolicy
from outpost.ports.clock import Clock
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.ports.provider import Sender
from outpost.ports.tenant_store import DestinationsByTenant
from outpost.telemetry.event_lines import EventLine
from outpost.telemetry.outages import Waiting

_logger = logging.getLogger("outpost.delivery")
_attempted = EventLine(_logger, "delivery.attempted")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class Senders(Protocol):
    """Finds the open sender for a destination's present state."""

    def sender(self, destination: Destination) -> Sender:
        """Raises ValidationFailed or UnknownDestinationType if the stored destination cannot be used."""
        ...


class Deliverer:
    """Delivers leased tasks.

    A dependency that is down pauses the task; it does not burn an attempt.
    """

    def __init__(
        self,
        *,
        tenants: DestinationsByTenant,
        senders: Senders,
        retry_policy: RetryPolicy,
        mint_attempt_id: MintId,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Args:
        chance: Returns a number from 0 to 1, a new one each time: how much longer a retry waits.
        """
        self._tenants = tenants
        self._senders = senders
        self._retry_policy = retry_policy
        self._mint_attempt_id = mint_attempt_id
        self._clock = clock
        self._chance = chance

    async def deliver(self, leased: LeasedTask, destinations: Sequence[Destination] | None = None) -> Settlement:
        """Deliver one task and say how it ended.

        Args:
            destinations: The tenant's, if the caller has just asked for them.

        Raises:
            StoreCorrupted: Nothing more can be done in this process.
        """
        pause = _FIRST_PAUSE
        with Waiting("delivering", meanwhile="deliveries wait, and no attempt is counted") as waiting:
            while True:
                try:
                    if destinations is None:
                        destinations = await self._tenants.destinations(leased.task.event.tenant_id)
                    return await self._try(leased, destinations)
                except StoreCorrupted:
                    raise
                except Unavailable as error:
                    waiting.refused(error)
                except OutpostError as error:
                    _logger.warning("delivery waits", extra={"fields": {"error": str(error), "pause_seconds": pause}})
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                destinations = None  # they may have changed meanwhile

    async def _try(self, leased: LeasedTask, destinations: Sequence[Destination]) -> Settlement:
        task = leased.task
        destination = _find(destinations, task.destination_id)
        if destination is None:
            return _dropped(leased, DropReason.DESTINATION_DELETED)
        if destination.disabled_at is not None:
            return _dropped(leased, DropReason.DESTINATION_DISABLED)
        started = self._clock()
        try:
            sender = self._senders.sender(destination)
        except InvalidInput as error:
            result = DeliveryResult(
                status=AttemptStatus.FAILED, code="ERR", response_data=msgspec.json.encode({"error": str(error)})
            )
        else:
            result = await sender.send(task, now=started)
        settlement = self._judge(leased, destination, result)
        if _attempted.wanted():
            self._log(settlement, started)
        return settlement

    def _judge(self, leased: LeasedTask, destination: Destination, result: DeliveryResult) -> Settlement:
        task = leased.task
        now = self._clock()
        retry_at = None
        if result.status is AttemptStatus.FAILED and task.event.eligible_for_retry:
            delay = self._retry_policy.delay_after(task.attempt_number, chance=self._chance())
            retry_at = None if delay is None else now + delay
        attempt = Attempt(
            id=AttemptId(self._mint_attempt_id()),
            tenant_id=task.event.tenant_id,
            event_id=task.event.id,
            destination_id=destination.id,
            destination_type=destination.type,
            attempt_number=task.attempt_number,
            manual=task.manual,
            status=result.status,
            time=now,
            code=result.code,
            response_data=result.response_data,
        )
        return Settlement(leased=leased, attempt=attempt, retry_at=retry_at, destination=destination)

    def _log(self, settlement: Settlement, started: datetime) -> None:
        attempt, event = settlement.attempt, settlement.leased.task.event
        if attempt is None:
            return
        fields: dict[str, object] = {
            "attempt_id": attempt.id,
            "event_id": event.id,
            "tenant_id": event.tenant_id,
            "topic": event.topic,
            "destination_id": attempt.destination_id,
            "destination_type": attempt.destination_type,
            "attempt_status": attempt.status,
            "attempt_code": attempt.code,
            "attempt_number": attempt.attempt_number,
            "attempt_max": self._retry_policy.retries_allowed() + 1,
            "manual": attempt.manual,
            "eligible_for_retry": event.eligible_for_retry,
            "attempt_started_at": format_time(started),
            "attempt_duration_ms": _milliseconds(attempt.time - started),
            "retry_id": f"{event.id}:{attempt.destination_id}",
            "retry_scheduled": settlement.retry_at is not None,
            "retry_canceled": attempt.manual and settlement.retry_at is None,
        }
        if settlement.retry_at is not None:
            fields["retry_backoff_ms"] = _milliseconds(settlement.retry_at - attempt.time)
        _attempted.write(**fields)


def _find(destinations: Sequence[Destination], wanted: DestinationId) -> Destination | None:
    for destination in destinations:
        if destination.id == wanted:
            return destination
    return None


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _dropped(leased: LeasedTask, reason: DropReason) -> Settlement:
    event = leased.task.event
    fields = {"event_id": event.id, "tenant_id": event.tenant_id, "destination_id": leased.task.destination_id}
    _logger.info("delivery dropped", extra={"fields": {**fields, "reason": reason}})
    return Settlement(leased=leased, dropped=reason)
