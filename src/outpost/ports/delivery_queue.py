"""Where delivery tasks wait until they are due."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from outpost.domain.identifiers import DestinationId, TenantId
from outpost.ports.ledger import LeasedTask


class LaneKey(msgspec.Struct, frozen=True):
    """Names one destination among all tenants; the unit of fairness."""

    tenant_id: TenantId
    destination_id: DestinationId


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks leased from one destination's queue.

    Attributes:
        next_due: When the earliest task that still waits for this destination is due; None if none waits.
    """

    tasks: Sequence[LeasedTask]
    next_due: datetime | None


class DeliveryQueue(Protocol):
    """Durable waiting tasks, claimed destination by destination.

    Promises: a claimed task is claimed by nobody else while its lease holds; after a crash every lease of the dead
    process ends. A task is never claimed before it is due, to the millisecond. Duplicates are possible after a crash,
    never losses.
    """

    async def claim(self, lane: LaneKey, *, limit: int, now: datetime) -> Claim:
        """Lease up to `limit` tasks of one destination that are due at `now`, earliest first.

        Raises:
            StoreUnavailable: Nothing was leased.
        """
        ...

    async def next_due(self) -> Mapping[LaneKey, datetime]:
        """Return, for each destination with waiting tasks, when its earliest one is due.

        Raises:
            StoreUnavailable: The store could not be read.
        """
        ...

    async def move_up(self, *, now: datetime) -> None:
        """Let no task wait longer from `now` than it had to when it was planned: the clock was set back since.

        Those that had to wait for nothing are due at `now`. Safe to repeat: none is made due too early.

        Raises:
            StoreUnavailable: They wait as before.
        """
        ...

    def depth(self) -> int:
        """Return how many tasks exist, waiting and leased."""
        ...
