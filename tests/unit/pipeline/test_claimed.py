"""Of all processes that come to deliver a task, one does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from outpost.conformance.ledger import a_settlement, an_acceptance
from outpost.domain.delivery import DeliveryTask, DropReason
from outpost.domain.destination import Destination
from outpost.domain.errors import StoreCorrupted
from outpost.domain.identifiers import TenantId
from outpost.pipeline.claimed import ClaimedDeliverer
from outpost.pipeline.lanes import Postponed
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.telemetry import outages
from tests.support.builders import ONE, START, a_destination
from tests.support.memory_road import MemoryRoad

HOLD = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


class Delivering:
    """Stands in for delivering, and counts."""

    def __init__(self) -> None:
        self.delivered: list[LeasedTask] = []
        self.shown: Sequence[Destination] | None = None
        self.fault: Exception | None = None
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def deliver(self, leased: LeasedTask, destinations: Sequence[Destination] | None) -> Settlement:
        self.delivered.append(leased)
        self.shown = destinations
        self.begun.set()
        await self.may_end.wait()
        if self.fault is not None:
            raise self.fault
        return a_settlement(leased)


@pytest.fixture
def road() -> MemoryRoad:
    return MemoryRoad()


@pytest.fixture
def delivering() -> Delivering:
    return Delivering()


@pytest.fixture
async def claimed(road: MemoryRoad, delivering: Delivering) -> AsyncIterator[ClaimedDeliverer]:
    deliverer = ClaimedDeliverer(
        deliverer=cast(Any, delivering),
        tenants=road.steps.watch("tenants", Tenants()),
        claims=road.watched_claims,
        names=road.names,
        hold=HOLD,
        clock=road.clock,
    )
    async with deliverer:
        yield deliverer


class Tenants:
    """The one method of the tenant store that is needed."""

    async def destinations(self, tenant_id: TenantId) -> Sequence[Destination]:
        return [a_destination(tenant_id=tenant_id)]


def leased(number: int = 1, event_id: str = "evt_1") -> LeasedTask:
    task = DeliveryTask(event=an_acceptance(event_id).event, destination_id=ONE, attempt_number=number)
    return LeasedTask(task, number)


async def test_who_wins_the_claim_delivers_and_keeps_it(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer
) -> None:
    settlement = await claimed.deliver(leased())

    assert isinstance(settlement, Settlement)
    assert settlement.attempt is not None
    assert delivering.delivered == [leased()]
    assert await road.state_of(road.names.delivering(leased().task)) == "held"


async def test_a_claim_outlasts_the_longest_delivery(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer
) -> None:
    """FIX-17: a message that comes again meanwhile is not delivered beside the first."""
    delivering.may_end.clear()
    first = asyncio.create_task(claimed.deliver(leased()))
    await delivering.begun.wait()
    road.clock.now += HOLD - SECOND

    assert isinstance(await claimed.deliver(leased()), Postponed)

    delivering.may_end.set()
    await first
    assert len(delivering.delivered) == 1


async def test_a_task_that_someone_else_delivers_is_asked_for_again_and_holds_no_slot(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer
) -> None:
    """FIX-18."""
    await road.claims.claim_many([road.names.delivering(leased().task)], hold=HOLD)

    assert await claimed.deliver(leased()) == Postponed(leased(), START + SECOND)

    assert delivering.delivered == []
    road.clock.now += HOLD
    assert isinstance(await claimed.deliver(leased()), Settlement)


async def test_what_was_delivered_before_is_dropped_and_says_so(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer
) -> None:
    await road.claims.finish_many([road.names.delivering(leased().task)], remember=HOLD)

    settlement = await claimed.deliver(leased())

    assert settlement == Settlement(leased=leased(), dropped=DropReason.DELIVERED_BEFORE)
    assert delivering.delivered == []


async def test_another_attempt_is_another_claim(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer
) -> None:
    await road.claims.finish_many([road.names.delivering(leased(1).task)], remember=HOLD)

    await claimed.deliver(leased(2))

    assert delivering.delivered == [leased(2)]


async def test_without_claims_nothing_is_delivered_and_nothing_lost(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer
) -> None:
    """FIX-4."""
    road.steps.fail("claims.claim_many")

    assert await claimed.deliver(leased()) == Postponed(leased(), START + SECOND)

    assert delivering.delivered == []
    assert isinstance(await claimed.deliver(leased()), Settlement)


async def test_claims_that_are_away_for_many_are_told_of_once(
    road: MemoryRoad, claimed: ClaimedDeliverer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "_CALM_SECONDS", 0.0)
    tasks = [leased(event_id=f"evt_{number}") for number in range(50)]
    with caplog.at_level(logging.INFO, logger="outpost.outages"):
        for task in tasks:
            road.steps.fail("claims.claim_many")
            assert isinstance(await claimed.deliver(task), Postponed)
        for task in tasks[1:]:  # the broker lends the first to another process
            assert isinstance(await claimed.deliver(task), Settlement)

    told = [record.message for record in caplog.records if record.name == "outpost.outages"]
    assert told == ["a dependency is away", "a dependency is back"]


@pytest.mark.parametrize("claims_are_away", [False, True])
async def test_a_fault_frees_the_claim_for_others(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer, claims_are_away: bool
) -> None:
    delivering.fault = StoreCorrupted("memory", "bad page")
    if claims_are_away:
        road.steps.fail("claims.release_many")

    with pytest.raises(StoreCorrupted):
        await claimed.deliver(leased())

    expected = "held" if claims_are_away else "won"
    assert await road.state_of(road.names.delivering(leased().task)) == expected


async def test_who_is_cancelled_frees_the_claim_for_others(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer
) -> None:
    delivering.may_end.clear()
    delivery = asyncio.create_task(claimed.deliver(leased()))
    await delivering.begun.wait()

    delivery.cancel()
    await asyncio.wait([delivery])

    assert await road.state_of(road.names.delivering(leased().task)) == "won"


async def test_the_claims_of_one_tick_travel_together_with_the_destinations(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer
) -> None:
    await asyncio.gather(*[claimed.deliver(leased(event_id=f"evt_{number}")) for number in range(50)])

    assert sorted(road.steps.taken) == ["claims.claim_many", "tenants.destinations"]
    assert len(delivering.delivered) == 50
    assert delivering.shown == [a_destination()]


async def test_destinations_that_cannot_be_read_now_are_left_to_the_delivery(
    road: MemoryRoad, delivering: Delivering, claimed: ClaimedDeliverer
) -> None:
    road.steps.fail("tenants.destinations")

    await claimed.deliver(leased())

    assert delivering.delivered == [leased()]
    assert delivering.shown is None


async def test_of_two_copies_in_one_tick_one_is_delivered(delivering: Delivering, claimed: ClaimedDeliverer) -> None:
    ends = await asyncio.gather(claimed.deliver(leased()), claimed.deliver(leased()))

    assert [type(end) for end in ends] == [Settlement, Postponed]
    assert len(delivering.delivered) == 1
