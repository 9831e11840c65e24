"""Delivering what several processes may come to deliver: claimed first, so that one of them does."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from outpost.domain.delivery import DeliveryTask, DropReason
from outpost.domain.destination import Destination
from outpost.domain.errors import OutpostError, Unavailable
from outpost.domain.identifiers import TenantId
from outpost.pipeline.deliver import Deliverer
from outpost.pipeline.gather import Gatherer
from outpost.pipeline.lanes import Postponed
from outpost.pipeline.ledger import ClaimNames
from outpost.ports.claims import Claims, ClaimState
from outpost.ports.clock import Clock
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.ports.tenant_store import DestinationsByTenant
from outpost.telemetry.outages import Waiting

_ASK_AGAIN = timedelta(seconds=1)


class _Admission(NamedTuple):
    """What a claim led to, and the destinations of the tenant as they were then; None if they could not be read."""

    state: ClaimState
    destinations: Sequence[Destination] | None


class ClaimedDeliverer:
    """Claims a task, then delivers it.

    The tasks of one tick of the loop are claimed together, and their destinations read in the same flight. Use
    `async with`, inside of which deliveries run.
    """

    def __init__(
        self,
        *,
        deliverer: Deliverer,
        tenants: DestinationsByTenant,
        claims: Claims,
        names: ClaimNames,
        hold: timedelta,
        clock: Clock,
    ) -> None:
        """Args:
        hold: How long a claim lasts: longer than a delivery may take and its result need to be stored.
        """
        self._deliverer = deliverer
        self._tenants = tenants
        self._claims = claims
        self._names = names
        self._hold = hold
        self._clock = clock
        self._admitting = Gatherer[DeliveryTask, _Admission](self._admit_many)
        self._waiting = Waiting("claiming deliveries", meanwhile="deliveries wait, and no attempt is counted")
        self._refused: set[int] = set()  # tasks since the claims went away

    async def __aenter__(self) -> "ClaimedDeliverer":
        await self._admitting.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._admitting.__aexit__(None, None, None)
        self._waiting.given_up()

    async def deliver(self, leased: LeasedTask) -> Settlement | Postponed:
        """Deliver a task that nobody else delivers.

        Raises:
            StoreCorrupted: Nothing more can be done in this process.
        """
        try:
            state, destinations = await self._admitting.submit(leased.task)
        except Unavailable as error:
            self._refused.add(id(leased))
            self._waiting.refused(error, count=len(self._refused))
            return self._later(leased)
        if self._refused:
            self._refused.clear()
            self._waiting.succeeded()
        match state:
            case ClaimState.WON:
                return await self._deliver_claimed(leased, destinations)
            case ClaimState.DONE:
                return Settlement(leased=leased, dropped=DropReason.DELIVERED_BEFORE)
            case ClaimState.HELD:
                return self._later(leased)

    async def _admit_many(self, tasks: Sequence[DeliveryTask]) -> Sequence[_Admission]:
        keys = [self._names.delivering(task) for task in tasks]
        tenants = list({task.event.tenant_id for task in tasks})
        states, found = await asyncio.gather(
            self._claims.claim_many(keys, hold=self._hold), asyncio.gather(*map(self._destinations, tenants))
        )
        destinations = dict(zip(tenants, found, strict=True))
        return [
            _Admission(state, destinations[task.event.tenant_id]) for state, task in zip(states, tasks, strict=True)
        ]

    async def _destinations(self, tenant_id: TenantId) -> Sequence[Destination] | None:
        try:
            return await self._tenants.destinations(tenant_id)
        except OutpostError:  # delivering asks again, and waits
            return None

    async def _deliver_claimed(self, leased: LeasedTask, destinations: Sequence[Destination] | None) -> Settlement:
        try:
            return await self._deliverer.deliver(leased, destinations)
        except BaseException:
            await self._free(leased.task)
            raise

    async def _free(self, task: DeliveryTask) -> None:
        """Let another process deliver the task at once; else it can when the claim ends."""
        try:
            await self._claims.release_many([self._names.delivering(task)])
        except Unavailable:
            return

    def _later(self, leased: LeasedTask) -> Postponed:
        return Postponed(leased, self._clock() + _ASK_AGAIN)
