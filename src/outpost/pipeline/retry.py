"""A person asks for one more attempt."""

from collections.abc import Callable
from datetime import datetime

from outpost.domain.errors import DestinationDisabled, DestinationDoesNotMatch, NotFound
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.pipeline.match import Matcher
from outpost.ports.clock import Clock
from outpost.ports.delivery_queue import LaneKey
from outpost.ports.ledger import Ledger
from outpost.ports.log_store import LogStore
from outpost.ports.tenant_store import DestinationsByTenant


class ManualRetry:
    """Adds a manual delivery of an event that was attempted before."""

    def __init__(
        self,
        *,
        tenants: DestinationsByTenant,
        log: LogStore,
        ledger: Ledger,
        matcher: Matcher,
        clock: Clock,
        on_task: Callable[[LaneKey, datetime], None] | None = None,
    ) -> None:
        """Args:
        on_task: Told whose task now waits and when it is due, where tasks wait in a store.
        """
        self._tenants = tenants
        self._log = log
        self._ledger = ledger
        self._matcher = matcher
        self._clock = clock
        self._on_task = on_task

    async def request(
        self, event_id: EventId, destination_id: DestinationId, *, tenant_id: TenantId | None = None
    ) -> int:
        """Plan a manual attempt, due at once, and return its number.

        Args:
            tenant_id: Only events of this tenant count; None means any tenant's.

        Raises:
            NotFound: `event` if it was never attempted at this destination, else `destination`.
            DestinationDisabled: The destination takes no deliveries now.
            DestinationDoesNotMatch: Its present topics or filter do not select the event.
            StoreUnavailable: Nothing was planned.
        """
        latest = await self._log.latest_attempt(event_id, destination_id, tenant_id=tenant_id)
        if latest is None:
            raise NotFound("event")
        event = latest.event
        destinations = await self._tenants.destinations(event.tenant_id)
        destination = next((found for found in destinations if found.id == destination_id), None)
        if destination is None:
            raise NotFound("destination")
        if destination.disabled_at is not None:
            raise DestinationDisabled
        if not self._matcher.matches(destination, event):
            raise DestinationDoesNotMatch
        number = await self._ledger.request_retry(event.tenant_id, event.id, destination_id)
        if self._on_task is not None:
            self._on_task(LaneKey(event.tenant_id, destination_id), self._clock())
        return number
