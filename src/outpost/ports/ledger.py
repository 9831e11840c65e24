"""The two hot seams of the pipeline: what is accepted, and how each delivery ended. Both take many items at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from outpost.domain.attempt import Attempt
from outpost.domain.delivery import DeliveryTask, DropReason
from outpost.domain.destination import Destination
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, TenantId


class LeasedTask(msgspec.Struct, frozen=True):
    """A task that this process alone may deliver, until it settles it or its lease ends.

    Attributes:
        receipt: The driver's own proof of the lease; opaque to everyone else.
    """

    task: DeliveryTask
    receipt: object


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """One event to accept, with one delivery task for each of its matched destinations.

    Attributes:
        deduplicate: The publisher chose the id, so an event of this tenant and id may exist already.
        lease_to: Those matched destinations whose tasks the caller will deliver itself, at once. The tasks of the
            others wait in the ledger until they are claimed.
    """

    event: Event
    deduplicate: bool
    lease_to: frozenset[DestinationId] = frozenset()


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one acceptance.

    Attributes:
        duplicate: The id was accepted within the de-duplication window; nothing was stored this time.
        contended: Someone else is accepting the same id at this moment; nothing was stored. Ask again soon.
        leased: The tasks leased to the caller, in the order of the matched destinations.
    """

    duplicate: bool
    contended: bool = False
    leased: Sequence[LeasedTask] = ()


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one turn of a task: exactly one of `attempt` and `dropped` is set.

    Attributes:
        retry_at: When the next attempt is due (aware UTC); None ends the task.
        destination: As it was when the attempt was made.
    """

    leased: LeasedTask
    attempt: Attempt | None = None
    dropped: DropReason | None = None
    retry_at: datetime | None = None
    destination: Destination | None = None


class Ledger(Protocol):
    """Remembers accepted events, the tasks they owe and the attempts made.

    Promises: what a method did is durable when it returns. Where one store holds everything, each call is atomic;
    elsewhere one that fails may have done a part, and may be made again. A lease is held by one process at a time; a
    settlement whose lease has passed to another is ignored, so a late result never overwrites a newer one. Calls may
    run together and are combined by the driver as it likes.

    Not promised: order between destinations or events, and exactly one delivery.
    """

    async def accept_many(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        """Store events, their tasks and their claims on the ids.

        Two acceptances of one tenant and id in the same call: the first is accepted, the second a duplicate.

        Raises:
            Unavailable: None of the events counts as accepted.
        """
        ...

    async def settle_many(self, settlements: Sequence[Settlement]) -> None:
        """Store attempts, plan or end their tasks, and release the leases.

        With `retry_at` the task becomes an automatic one whose attempt number is one higher, due at that moment; unless
        another task of the same event and destination exists: then that one carries on, and this one ends.

        Raises:
            Unavailable: The leases still hold; make the same call again.
        """
        ...

    async def request_retry(self, tenant_id: TenantId, event_id: EventId, destination_id: DestinationId) -> int:
        """Add a manual task, due at once, for an event accepted for the destination; return its attempt number.

        Where one store holds everything, the number is reserved here: one more than that of every attempt made and of
        every other task of the pair. A waiting automatic task of the pair is not counted: the manual task takes its
        place. Elsewhere it is one more than that of the last attempt on record, so of two requests in one moment only
        one leads to an attempt.

        Raises:
            NotFound: The event was never owed to this destination.
            Unavailable: Nothing was added, as far as is known.
        """
        ...

    async def drop_waiting(
        self, tenant_id: TenantId, destination_ids: Sequence[DestinationId], reason: DropReason
    ) -> int:
        """End the waiting (not leased) tasks of destinations, record each as dropped, and return how many there were.

        Raises:
            StoreUnavailable: Nothing was stored.
        """
        ...
