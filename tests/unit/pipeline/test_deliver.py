"""One task → one send → one attempt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import pytest

from outpost.conformance.ledger import ONE, START, TENANT, an_acceptance
from outpost.domain.attempt import AttemptStatus
from outpost.domain.delivery import DeliveryResult, DeliveryTask, DropReason
from outpost.domain.destination import Destination
from outpost.domain.errors import StoreUnavailable, ValidationFailed
from outpost.domain.identifiers import TenantId
from outpost.domain.retry_policy import RetryPolicy
from outpost.pipeline.deliver import Deliverer
from outpost.ports.ledger import LeasedTask
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
    sent: list[DeliveryTask] = field(default_factory=list)
    unusable: bool = False

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
def deliverer(world: World) -> Deliverer:
    return Deliverer(
        tenants=_Tenants(world),
        senders=world,
        retry_policy=RetryPolicy(schedule=(timedelta(seconds=5), timedelta(seconds=7))),
        mint_attempt_id=lambda: "atm_1",
        clock=lambda: START,
    )


def leased(attempt_number: int = 1, *, manual: bool = False) -> LeasedTask:
    event = an_acceptance().event
    return LeasedTask(
        DeliveryTask(event=event, destination_id=ONE, attempt_number=attempt_number, manual=manual), attempt_number
    )


SUCCESS = DeliveryResult(status=AttemptStatus.SUCCESS, code="200", response_data=b"{}")
FAILURE = DeliveryResult(status=AttemptStatus.FAILED, code="500", response_data=b"{}")


async def test_a_success_is_recorded_and_ends_the_task(world: World, deliverer: Deliverer) -> None:
    world.results = [SUCCESS]

    settlement = await deliverer.deliver(leased())

    assert settlement.retry_at is None
    assert settlement.attempt is not None
    assert (settlement.attempt.status, settlement.attempt.code, settlement.attempt.attempt_number) == (
        "success",
        "200",
        1,
    )


@pytest.mark.parametrize(("number", "seconds"), [(1, 5), (2, 7)])
async def test_a_failure_plans_the_next_attempt_of_the_schedule(
    world: World, deliverer: Deliverer, number: int, seconds: int
) -> None:
    world.results = [FAILURE]

    settlement = await deliverer.deliver(leased(number))

    assert settlement.retry_at == START + timedelta(seconds=seconds)


async def test_retries_of_one_outage_are_spread_where_that_is_wanted(world: World) -> None:
    """FIX-24."""
    chances = [0.0, 1.0]
    deliverer = Deliverer(
        tenants=_Tenants(world),
        senders=world,
        retry_policy=RetryPolicy(schedule=(timedelta(seconds=10),), jitter=0.5),
        mint_attempt_id=lambda: "atm_1",
        clock=lambda: START,
        chance=lambda: chances.pop(0),
    )
    world.results = [FAILURE, FAILURE]

    settlements = [await deliverer.deliver(leased()) for _ in range(2)]

    assert [settlement.retry_at for settlement in settlements] == [START + timedelta(seconds=n) for n in (10, 15)]


async def test_the_last_failure_of_the_schedule_ends_the_task(world: World, deliverer: Deliverer) -> None:
    world.results = [FAILURE]

    settlement = await deliverer.deliver(leased(3))

    assert settlement.retry_at is None
    assert settlement.attempt is not None


async def test_a_disabled_destination_drops_the_task_with_its_reason(world: World, deliverer: Deliverer) -> None:
    world.destinations = [a_target(disabled_at=START)]

    settlement = await deliverer.deliver(leased())

    assert world.sent == []
    assert settlement.dropped is DropReason.DESTINATION_DISABLED


async def test_a_deleted_destination_drops_the_task_with_its_reason(world: World, deliverer: Deliverer) -> None:
    """FIX-36."""
    world.destinations = []

    settlement = await deliverer.deliver(leased())

    assert settlement.dropped is DropReason.DESTINATION_DELETED


async def test_what_is_dropped_is_told_in_the_log(
    world: World, deliverer: Deliverer, caplog: pytest.LogCaptureFixture
) -> None:
    """FIX-23."""
    world.destinations = []

    with caplog.at_level("INFO"):
        await deliverer.deliver(leased())

    (record,) = caplog.records
    assert record.message == "delivery dropped"
    assert vars(record)["fields"] == {
        "event_id": "evt_1",
        "tenant_id": TENANT,
        "destination_id": ONE,
        "reason": DropReason.DESTINATION_DELETED,
    }


async def test_a_destination_that_cannot_be_used_is_a_failed_attempt(world: World, deliverer: Deliverer) -> None:
    world.unusable = True

    settlement = await deliverer.deliver(leased())

    assert settlement.attempt is not None
    assert (settlement.attempt.status, settlement.attempt.code) == ("failed", "ERR")
    assert settlement.attempt.response_data == b'{"error":"config.url is required"}'
    assert settlement.retry_at is not None


async def test_a_fault_of_our_own_burns_no_attempt(world: World, deliverer: Deliverer) -> None:
    world.results = [StoreUnavailable("proxy", "away"), SUCCESS]

    settlement = await deliverer.deliver(leased())

    assert len(world.sent) == 2
    assert settlement.attempt is not None
    assert settlement.attempt.attempt_number == 1


async def test_an_event_that_may_not_be_retried_is_tried_once(world: World, deliverer: Deliverer) -> None:
    world.results = [FAILURE]
    task = leased()
    event = msgspec.structs.replace(task.task.event, eligible_for_retry=False)
    once = LeasedTask(msgspec.structs.replace(task.task, event=event), 1)

    settlement = await deliverer.deliver(once)

    assert settlement.attempt is not None
    assert settlement.retry_at is None
