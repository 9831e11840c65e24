"""Retries that wait for their time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, TenantId


class RetryKey(msgspec.Struct, frozen=True):
    """Names one event owed to one destination, which has at most one retry waiting."""

    tenant_id: TenantId
    event_id: EventId
    destination_id: DestinationId


class PlannedRetry(msgspec.Struct, frozen=True, kw_only=True):
    """The next try of a delivery that failed.

    Attributes:
        key: What is tried again.
        failed_attempt: The number of the attempt that failed, 0 if none was made yet; None if whoever planned it did
            not say.
        event: A copy, so that nobody needs to look it up. The schedule may leave it out if it is large.
        due_at: Aware UTC.
    """

    key: RetryKey
    failed_attempt: int | None
    due_at: datetime
    event: Event | None = None


class DueRetry(msgspec.Struct, frozen=True):
    """A retry that was taken out to be run.

    Attributes:
        receipt: The driver's own proof of that; opaque to everyone else.
    """

    plan: PlannedRetry
    receipt: object


class DueRetries(msgspec.Struct, frozen=True, kw_only=True):
    """What was due.

    Attributes:
        items: Earliest first.
        next_due: When to ask again; in the past if more is due already, None if nothing waits.
    """

    items: Sequence[DueRetry]
    next_due: datetime | None


class RetryScheduler(Protocol):
    """A durable schedule, which several processes may work off together.

    What is taken stays in the schedule, hidden from everyone for the *visibility* that the driver was given. Settling
    removes it; postponing hides it for longer. If neither happens, because the process died, it is due again when the
    visibility is over.

        planned ──time──▶ due ──take──▶ hidden ──settle──▶ gone
                           ▲             │  │
                           └──── time ───┘  └─postpone, too often──▶ dead letters

    Promises: of all who take, one gets each entry. An entry that was planned anew while someone had the old one taken
    is not touched by settling or postponing the old one; neither is one whose visibility ended and that someone took
    again. Each entry is atomic by itself, and calls may run together.

    Times are told by the caller's clock and kept by the server's, as distances, so that the two need not agree.

    Not promised: exactly one run, or an order between entries beyond when they are due.
    """

    async def schedule_many(self, plans: Sequence[PlannedRetry]) -> None:
        """Plan retries, each replacing what waits for the same key, also if that is hidden. May be repeated.

        A time that has passed means now; a delay longer than `LONGEST_DELAY` is cut to it. Due to the millisecond.

        Raises:
            SchedulerUnavailable: Some or all were not planned; make the same call again. Cancelling leaves the same.
        """
        ...

    async def cancel_many(self, keys: Sequence[RetryKey]) -> None:
        """Remove what waits for keys, hidden or not; that nothing does is no error. May be repeated.

        Raises:
            SchedulerUnavailable: Some or all were not removed; make the same call again. Cancelling leaves the same.
        """
        ...

    async def take_due(self, limit: int) -> DueRetries:
        """Take up to `limit` entries that are due, earliest first.

        An entry that cannot be read goes to the dead letters, with an error in the log.

        Raises:
            SchedulerUnavailable: What was taken nevertheless is due again when the visibility is over. Cancelling
                leaves the same.
        """
        ...

    async def settle_many(self, settled: Sequence[DueRetry]) -> None:
        """Remove entries that were taken and whose task is now safe elsewhere. May be repeated.

        Raises:
            SchedulerUnavailable: Some or all were not removed; make the same call again, or the visibility ends and
                they run twice. Cancelling leaves the same.
        """
        ...

    async def postpone_many(self, postponed: Sequence[DueRetry]) -> Sequence[DueRetry]:
        """Hide entries that could not be run, longer each time: once, twice, four times the visibility, up to 15 min.

        It is for what is wrong with an entry. For what is wrong beside it, such as a server that is away, wait instead.

        Returns:
            Those that were taken more than five times: they went to the dead letters, each with an error in the log.

        Raises:
            SchedulerUnavailable: Some or all were not postponed; they are due again when the visibility is over.
        """
        ...

    async def next_due(self) -> datetime | None:
        """Return when the earliest entry is due, which may be in the past; None if nothing waits.

        Raises:
            SchedulerUnavailable: The schedule could not be read.
        """
        ...
