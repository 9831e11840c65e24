"""What was accepted and attempted, read back by people."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from outpost.domain.attempt import Attempt
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.paging import Page, PageRequest


class TimeWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on an instant, each aware UTC or absent; all that are present hold."""

    gte: datetime | None = None
    lte: datetime | None = None
    gt: datetime | None = None
    lt: datetime | None = None


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: each list means "any of"; None means no condition, an empty list matches nothing."""

    page: PageRequest
    ids: Sequence[str] | None = None
    tenant_ids: Sequence[str] | None = None
    destination_ids: Sequence[str] | None = None
    topics: Sequence[str] | None = None
    time: TimeWindow = TimeWindow()


class AttemptQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which attempts: as `EventQuery`; `time` is the attempt's."""

    page: PageRequest
    tenant_ids: Sequence[str] | None = None
    event_ids: Sequence[str] | None = None
    destination_ids: Sequence[str] | None = None
    destination_types: Sequence[str] | None = None
    topics: Sequence[str] | None = None
    status: str | None = None
    time: TimeWindow = TimeWindow()


class LoggedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt with the event it was made for."""

    attempt: Attempt
    event: Event


class LogStore(Protocol):
    """Reads accepted events and attempts.

    Promises: lists are ordered by (time, id), every row of an unchanging store appears on exactly one page. What the
    ledger has stored is visible at once where one store holds both; elsewhere after the batch that carries it.

    Every method raises StoreUnavailable when the store cannot be read.
    """

    async def event(self, event_id: EventId, *, tenant_id: TenantId | None = None) -> Event | None:
        """Return the newest event of this id, of one tenant if given."""
        ...

    async def events(self, query: EventQuery) -> Page[Event]: ...

    async def attempt(self, attempt_id: AttemptId, *, tenant_id: TenantId | None = None) -> LoggedAttempt | None: ...

    async def attempts(self, query: AttemptQuery) -> Page[LoggedAttempt]: ...

    async def latest_attempt(
        self, event_id: EventId, destination_id: DestinationId, *, tenant_id: TenantId | None = None
    ) -> LoggedAttempt | None:
        """Return the attempt of the highest number for the pair."""
        ...

    async def delete_before(self, instant: datetime, *, limit: int) -> int:
        """Delete up to `limit` events (with their attempts) that happened and were last attempted before `instant`.

        An event with a task still waiting in the same store is kept. Returns how many events were deleted; fewer than
        `limit` means none are left.
        """
        ...
