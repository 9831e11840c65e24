"""Accept events: check the topic, choose the destinations, store event and tasks, hand on what can go at once."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from outpost.codec import format_time
from outpost.domain.destination import Destination
from outpost.domain.errors import OutpostError, PublishContended, Unavailable, ValidationFailed
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, MintId, TenantId
from outpost.domain.tenant import StringMap
from outpost.pipeline.lanes import Lanes
from outpost.pipeline.match import Matcher
from outpost.ports.clock import Clock
from outpost.ports.delivery_queue import LaneKey
from outpost.ports.ledger import Acceptance, Accepted, Ledger
from outpost.ports.tenant_store import DestinationsByTenant
from outpost.telemetry.event_lines import EventLine

MOST_BYTES = 768
"""Of an event's id, and of its topic: with the longest id of a tenant and a time, as much as an index of Postgres can
hold (2,704 bytes). An event past that would be accepted and its attempts never recorded."""

_received = EventLine(logging.getLogger("outpost.publish"), "event.received")


class PublishCommand(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher asks for.

    Attributes:
        data: The JSON object as it was sent, in UTF-8.
        id: None lets Outpost choose.
        destination_id: Only this destination is considered; it must still match.
        time: None means now; aware UTC.
    """

    tenant_id: TenantId
    data: bytes
    topic: str = ""
    id: EventId | None = None
    destination_id: DestinationId | None = None
    eligible_for_retry: bool = True
    time: datetime | None = None
    metadata: StringMap = {}


class PublishResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher is told.

    Attributes:
        duplicate: The id was accepted before, within the de-duplication window; nothing is sent again.
        destination_ids: The destinations that match now, in creation order.
    """

    id: EventId
    duplicate: bool
    destination_ids: Sequence[DestinationId]


Submit = Callable[[PublishCommand], "asyncio.Future[PublishResult]"]
"""Hands in one event; the future ends once it is accepted, or with why it was not."""


class Publisher:
    """Accepts events, many at once."""

    def __init__(
        self,
        *,
        tenants: DestinationsByTenant,
        matcher: Matcher,
        ledger: Ledger,
        lanes: Lanes | None,
        topics: Sequence[str],
        mint_event_id: MintId,
        clock: Clock,
    ) -> None:
        """Args:
        lanes: Deliver what was accepted here; None if the tasks come by way of a queue.
        topics: The topics that may be published; empty allows any.
        """
        self._tenants = tenants
        self._matcher = matcher
        self._ledger = ledger
        self._lanes = lanes
        self._topics = frozenset(topics) | {"*"} if topics else None
        self._mint_event_id = mint_event_id
        self._clock = clock

    async def publish_many(self, commands: Sequence[PublishCommand]) -> Sequence[PublishResult | Exception]:
        """Accept each event that may be published, and hand its deliveries on.

        Returns:
            For each command its result, or why it was not accepted: it is refused (InvalidInput), the destinations of
            its tenant cannot be read, or its id is being accepted elsewhere (PublishContended).

        Raises:
            Unavailable: Nothing was accepted.
        """
        now = self._clock()
        destinations = await self._destinations(commands)
        results: list[PublishResult | Exception] = []
        accepted: list[tuple[int, Acceptance]] = []
        for command in commands:
            candidates = destinations[command.tenant_id]
            if isinstance(candidates, Exception):
                results.append(candidates)
                if _received.wanted():
                    self._log(self._event(command, now), now, match_failed=True)
                continue
            refusal = self._refusal(command)
            if refusal is not None:
                results.append(refusal)
                continue
            event = self._matched(command, candidates, now)
            if event.matched_destination_ids:
                accepted.append((len(results), self._acceptance(command, event)))
            elif _received.wanted():
                self._log(event, now)
            results.append(PublishResult(id=event.id, duplicate=False, destination_ids=event.matched_destination_ids))
        if accepted:
            await self._accept(accepted, results, now)
        return results

    async def _destinations(
        self, commands: Sequence[PublishCommand]
    ) -> Mapping[TenantId, Sequence[Destination] | Exception]:
        """Return the destinations of all tenants, asked for together so that a store can answer in one flight."""
        tenants = list({command.tenant_id for command in commands})
        if len(tenants) == 1:
            return {tenants[0]: await self._destinations_of(tenants[0])}
        return dict(zip(tenants, await asyncio.gather(*map(self._destinations_of, tenants)), strict=True))

    async def _destinations_of(self, tenant_id: TenantId) -> Sequence[Destination] | Exception:
        try:
            return await self._tenants.destinations(tenant_id)
        except OutpostError as error:  # the events of other tenants can be accepted all the same
            return error

    def _refusal(self, command: PublishCommand) -> OutpostError | None:
        if self._topics is not None and command.topic not in self._topics:
            return ValidationFailed("topic is invalid" if command.topic else "topic is required")
        for name, text in (("id", command.id or ""), ("topic", command.topic)):
            if len(text) * 4 > MOST_BYTES and len(text.encode()) > MOST_BYTES:
                return ValidationFailed(f"{name} must have at most {MOST_BYTES} bytes")
        return None

    def _matched(self, command: PublishCommand, candidates: Sequence[Destination], now: datetime) -> Event:
        event = self._event(command, now)
        chosen = self._matcher.select(candidates, event, command.destination_id)
        if not chosen:
            return event
        return msgspec.structs.replace(event, matched_destination_ids=tuple([destination.id for destination in chosen]))

    def _event(self, command: PublishCommand, now: datetime) -> Event:
        return Event(
            id=command.id or EventId(self._mint_event_id()),
            tenant_id=command.tenant_id,
            topic=command.topic,
            time=command.time or now,
            eligible_for_retry=command.eligible_for_retry,
            metadata=command.metadata,
            data=command.data,
            destination_id=command.destination_id or DestinationId(""),
        )

    def _acceptance(self, command: PublishCommand, event: Event) -> Acceptance:
        deduplicate = command.id is not None
        if self._lanes is None:
            return Acceptance(event=event, deduplicate=deduplicate)
        lease_to = self._lanes.may_lease(event.tenant_id, event.matched_destination_ids)
        return Acceptance(event=event, deduplicate=deduplicate, lease_to=lease_to)

    async def _accept(
        self, accepted: Sequence[tuple[int, Acceptance]], results: list[PublishResult | Exception], now: datetime
    ) -> None:
        try:
            outcomes = await self._ledger.accept_many([acceptance for _, acceptance in accepted])
        except Unavailable:
            for _, acceptance in accepted:
                if _received.wanted():
                    self._log(acceptance.event, now, enqueue_failed=True)
            raise
        for (index, acceptance), outcome in zip(accepted, outcomes, strict=True):
            event = acceptance.event
            if outcome.contended:
                results[index] = PublishContended()
                continue
            if outcome.duplicate:
                results[index] = PublishResult(
                    id=event.id, duplicate=True, destination_ids=event.matched_destination_ids
                )
            elif self._lanes is not None:
                self._hand_on(self._lanes, acceptance, outcome, now)
            if _received.wanted():
                self._log(event, now, duplicate=outcome.duplicate)

    def _hand_on(self, lanes: Lanes, acceptance: Acceptance, outcome: Accepted, now: datetime) -> None:
        event = acceptance.event
        lanes.add(outcome.leased)
        for destination_id in event.matched_destination_ids:
            if destination_id not in acceptance.lease_to:
                lanes.tasks_wait(LaneKey(event.tenant_id, destination_id), now)

    def _log(self, event: Event, now: datetime, *, duplicate: bool = False, **failed: bool) -> None:
        """Args:
        failed: `match_failed` or `enqueue_failed`, for an event that could not be accepted.
        """
        matched = event.matched_destination_ids
        enqueued = () if duplicate or failed else matched
        fields: dict[str, object] = {
            "event_id": event.id,
            "tenant_id": event.tenant_id,
            "topic": event.topic,
            "matched_destination_count": len(matched),
            "matched_destination_ids": matched,
            "enqueued_destination_count": len(enqueued),
            "enqueued_destination_ids": enqueued,
            "duplicate": duplicate,
            "event_received_at": format_time(now),
            "duration_ms": (self._clock() - now) // timedelta(milliseconds=1),
        }
        if event.destination_id:
            fields["destination_id"] = event.destination_id
        _received.write(**fields, **failed)
