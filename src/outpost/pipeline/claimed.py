"""Delivering what several processes may come to deliver: claimed first, so that one of them does."""

from collections.abc import Sequence
from datetime import timedelta

from outpost.domain.delivery import DeliveryTask, DropReason
from outpost.domain.errors import Unavailable
from outpost.pipeline.gather import Gatherer
from outpost.pipeline.lanes import Deliver, Postponed
from outpost.pipeline.ledger import ClaimNames
from outpost.ports.claims import ClaimKey, Claims, ClaimState
from outpost.ports.clock import Clock
from outpost.ports.ledger import LeasedTask, Settlement

_ASK_AGAIN = timedelta(seconds=1)


class ClaimedDeliverer:
    """Claims a task, then delivers it. The claims of one tick of the loop travel together.

    Use `async with`, inside of which deliveries run.
    """

    def __init__(self, *, deliver: Deliver, claims: Claims, names: ClaimNames, hold: timedelta, clock: Clock) -> None:
        """Args:
        hold: How long a claim lasts: longer than a delivery may take and its result need to be stored.
        """
        self._deliver = deliver
        self._claims = claims
        self._names = names
        self._hold = hold
        self._clock = clock
        self._claiming = Gatherer[ClaimKey, ClaimState](self._claim_many)

    async def __aenter__(self) -> "ClaimedDeliverer":
        await self._claiming.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._claiming.__aexit__(None, None, None)

    async def deliver(self, leased: LeasedTask) -> Settlement | Postponed:
        """Deliver a task that nobody else delivers.

        Raises:
            StoreCorrupted: Nothing more can be done in this process.
        """
        try:
            state = await self._claiming.submit(self._names.delivering(leased.task))
        except Unavailable:
            return self._later(leased)
        match state:
            case ClaimState.WON:
                return await self._deliver_claimed(leased)
            case ClaimState.DONE:
                return Settlement(leased=leased, dropped=DropReason.DELIVERED_BEFORE)
            case ClaimState.HELD:
                return self._later(leased)

    async def _deliver_claimed(self, leased: LeasedTask) -> Settlement | Postponed:
        try:
            return await self._deliver(leased)
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

    async def _claim_many(self, keys: Sequence[ClaimKey]) -> Sequence[ClaimState]:
        return await self._claims.claim_many(keys, hold=self._hold)
