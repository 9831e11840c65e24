"""One task → one send → one attempt."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import pytest

from outpost.conformance.ledger import LANE_ONE, ONE, START, TENANT, an_acceptance
from outpost.domain.attempt import AttemptStatus
from outpost.domain.delivery import DeliveryResult, DeliveryTask, DropReason
from outpost.domain.destination import Destination
from outpost.domain.errors import StoreCorrupted, StoreUnavailable, ValidationFailed
from outpost.domain.identifiers import TenantId
from outpost.domain.retry_policy import RetryPolicy
from outpost.pipeline.deliver import Deliverer
from outpost.pipeline.gather import Gatherer
from outpost.ports.delivery_queue import LaneKey
from outpost.ports.ledger import LeasedTask, Settlement
from outpost.ports.provider import Sender


def a_target(disabled_at: datetime | None = None) -> Destination:
    return Destination(
        id=ONE,
        tenant_id=TENANT,
        type="webhook",
        topics=("*",),
        config={},
        credentials={},
        delivery_metadata={},
        metadata={},
        created_at=START,
        updated_at=START,
        disabled_at=disabled_at,
    )


@dataclass
class World:
    """Everything around a deliverer, in memory and scripted."""

    destinations: list[Destination] = field(default_factory=lambda: [a_target()])
    results: list[DeliveryResult | Exception] = field(default_factory=list)
    store_failures: list[Exception] = field(default_factory=list)
    settled: list[Settlement] = field(default_factory=list)
    retries: list[tuple[LaneKey, datetime]] = field(default_factory=list)
    sent: list[DeliveryTask] = field(default_factory=list)
    unusable: bool = False

    async def settle_many(self, settlements: Sequence[Settlement]) -> Sequence[None]:
        if self.store_failures:
            raise self.store_failures.pop(0)
        self.settled.extend(settlements)
        return [None] * len(settlements)

    def sender(self, destination: Destination) -> Sender:
        if self.unusable:
            raise ValidationFailed("config.url is required")
        return self

    async def send(self, task: DeliveryTask, *, now: datetime) -> DeliveryResult:
        self.sent.append(task)
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def close(self) -> None: ...


class _Tenants:
    """The one method of the tenant store that delivering needs."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def destinations(self, tenant_id: TenantId) -> Sequence[Destination]:
        return self._world.destinations


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def deliverer(world: World) -> AsyncIterator[Deliverer]:
    async with Gatherer[Settlement, None](world.settle_many) as settlements:
        yield Deliverer(
            tenants=_Tenants(world),
            senders=world,
            settlements=settlements,
            retry_policy=RetryPolicy(schedule=(timedelta(seconds=5), timedelta(seconds=7))),
            mint_attempt_id=lambda: "atm_1",
            clock=lambda: START,
            on_retry=lambda lane, due_at: world.retries.append((lane, due_at)),
        )


def leased(attempt_number: int = 1, *, manual: bool = False) -> LeasedTask:
    event = an_acceptance().event
    return LeasedTask(
        DeliveryTask(event=event, destination_id=ONE, attempt_number=attempt_number, manual=manual), attempt_number
    )


SUCCESS = DeliveryResult(status=AttemptStatus.SUCCESS, code="200", response_data=b"{}")
FAILURE = DeliveryResult(status=AttemptStatus.FAILED, code="500", response_data=b"{}")
TIMEOUT = DeliveryResult(status=AttemptStatus.FAILED, code="timeout")


async def test_a_success_is_recorded_and_ends_the_task(world: World, deliverer: Deliverer) -> None:
    world.results = [SUCCESS]

    assert await deliverer.deliver(leased())

    (settlement,) = world.settled
    assert settlement.retry_at is None
    assert settlement.attempt is not None
    assert (settlement.attempt.status, settlement.attempt.code, settlement.attempt.attempt_number) == (
        "success",
        "200",
        1,
    )
    assert world.retries == []


@pytest.mark.parametrize(("number", "seconds"), [(1, 5), (2, 7)])
async def test_a_failure_plans_the_next_attempt_of_the_schedule(
    world: World, deliverer: Deliverer, number: int, seconds: int
) -> None:
    world.results = [FAILURE]

    await deliverer.deliver(leased(number))

    due_at = START + timedelta(seconds=seconds)
    assert world.settled[0].retry_at == due_at
    assert world.retries == [(LANE_ONE, due_at)]


async def test_the_last_failure_of_the_schedule_ends_the_task(world: World, deliverer: Deliverer) -> None:
    world.results = [FAILURE]

    await deliverer.deliver(leased(3))

    assert world.settled[0].retry_at is None
    assert world.settled[0].attempt is not None


async def test_running_into_the_deadline_is_told_apart(world: World, deliverer: Deliverer) -> None:
    world.results = [TIMEOUT, FAILURE]

    assert not await deliverer.deliver(leased())
    assert await deliverer.deliver(leased())


async def test_a_disabled_destination_drops_the_task_with_its_reason(world: World, deliverer: Deliverer) -> None:
    world.destinations = [a_target(disabled_at=START)]

    await deliverer.deliver(leased())

    assert world.sent == []
    assert [settlement.dropped for settlement in world.settled] == [DropReason.DESTINATION_DISABLED]


async def test_a_deleted_destination_drops_the_task_with_its_reason(world: World, deliverer: Deliverer) -> None:
    world.destinations = []

    await deliverer.deliver(leased())

    assert [settlement.dropped for settlement in world.settled] == [DropReason.DESTINATION_DELETED]


async def test_a_destination_that_cannot_be_used_is_a_failed_attempt(world: World, deliverer: Deliverer) -> None:
    world.unusable = True

    await deliverer.deliver(leased())

    attempt = world.settled[0].attempt
    assert attempt is not None
    assert (attempt.status, attempt.code) == ("failed", "ERR")
    assert attempt.response_data == b'{"error":"config.url is required"}'
    assert world.settled[0].retry_at is not None


async def test_a_fault_of_our_own_burns_no_attempt(world: World, deliverer: Deliverer) -> None:
    world.results = [StoreUnavailable("proxy", "away"), SUCCESS]

    await deliverer.deliver(leased())

    assert len(world.sent) == 2
    assert [settlement.attempt.attempt_number for settlement in world.settled if settlement.attempt] == [1]


async def test_an_answer_is_kept_until_the_ledger_takes_it(world: World, deliverer: Deliverer) -> None:
    """FIX-2: the attempt is durable before its task is let go."""
    world.results = [SUCCESS]
    world.store_failures = [StoreUnavailable("SQLite", "disk full"), StoreUnavailable("SQLite", "disk full")]

    await deliverer.deliver(leased())

    assert len(world.sent) == 1
    assert len(world.settled) == 1


async def test_damaged_data_is_not_retried(world: World, deliverer: Deliverer) -> None:
    world.results = [SUCCESS]
    world.store_failures = [StoreCorrupted("SQLite", "malformed")]

    with pytest.raises(StoreCorrupted):
        async with asyncio.timeout(5):
            await deliverer.deliver(leased())


async def test_an_event_that_may_not_be_retried_is_tried_once(world: World, deliverer: Deliverer) -> None:
    world.results = [FAILURE]
    task = leased()
    event = msgspec.structs.replace(task.task.event, eligible_for_retry=False)
    once = LeasedTask(msgspec.structs.replace(task.task, event=event), 1)

    await deliverer.deliver(once)

    assert world.settled[0].retry_at is None
