"""The ledger of several stores: what it accepts, and in which order it settles."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from outpost.conformance.ledger import a_settlement, an_acceptance
from outpost.domain.delivery import DropReason
from outpost.domain.errors import NotFound, Unavailable
from outpost.domain.identifiers import EventId, TenantId
from outpost.pipeline.messages import read_task
from outpost.ports.ledger import Settlement
from outpost.ports.retry_scheduler import RetryKey
from tests.support.builders import ONE, START, TENANT, TWO, an_attempt, an_event
from tests.support.memory_road import HOUR, MemoryRoad
from tests.support.steps import Away

ACCEPTING = timedelta(seconds=5)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def road() -> MemoryRoad:
    return MemoryRoad()


# --- accepting


async def test_an_id_is_claimed_before_its_tasks_are_sent_and_remembered_after(road: MemoryRoad) -> None:
    accepted = await road.accept()

    assert (accepted.duplicate, accepted.contended, accepted.leased) == (False, False, ())
    assert road.steps.taken == ["claims.claim_many", "queue.send_many", "claims.finish_many"]


async def test_each_destination_that_wants_an_event_gets_a_first_task_with_all_of_it(road: MemoryRoad) -> None:
    acceptance = an_acceptance(to=(ONE, TWO))
    await road.ledger.accept_many([acceptance])

    tasks = [read_task(body) for body in road.broker.waiting]

    assert [task.destination_id for task in tasks] == [ONE, TWO]
    assert [(task.attempt_number, task.manual, task.event) for task in tasks] == [(1, False, acceptance.event)] * 2


async def test_an_id_that_the_publisher_did_not_choose_is_not_claimed(road: MemoryRoad) -> None:
    await road.accept(deduplicate=False)

    assert road.steps.taken == ["queue.send_many"]


async def test_an_id_again_is_a_duplicate_for_as_long_as_it_is_remembered(road: MemoryRoad) -> None:
    """Acceptance scenario 5."""
    await road.accept()

    assert (await road.accept()).duplicate
    road.clock.advance(hours=1)
    assert not (await road.accept()).duplicate
    assert len(road.broker.waiting) == 2


async def test_an_id_that_someone_else_is_accepting_is_contended_and_not_sent(road: MemoryRoad) -> None:
    await road.claims.claim_many([road.names.publishing(an_acceptance().event)], hold=ACCEPTING)

    accepted = await road.accept()

    assert (accepted.duplicate, accepted.contended) == (False, True)
    assert road.broker.waiting == []


async def test_an_id_twice_in_one_call_is_accepted_once(road: MemoryRoad) -> None:
    outcomes = await road.ledger.accept_many([an_acceptance(), an_acceptance("evt_2"), an_acceptance()])

    assert [(outcome.duplicate, outcome.contended) for outcome in outcomes] == [
        (False, False),
        (False, False),
        (True, False),
    ]
    assert [read_task(body).event.id for body in road.broker.waiting] == ["evt_1", "evt_2"]


@pytest.mark.parametrize(("scope", "is_duplicate"), [("tenant", False), ("deployment", True)])
async def test_two_tenants_may_use_one_id(scope: Any, is_duplicate: bool) -> None:
    """FIX-9; the scope of a whole deployment is for fleets that the original program is part of."""
    road = MemoryRoad(scope=scope)
    await road.accept()

    other = await road.accept(tenant_id=TenantId("umbrella"))

    assert other.duplicate is is_duplicate


async def test_events_of_one_call_do_not_share_their_fate(road: MemoryRoad) -> None:
    await road.accept("old")
    await road.claims.claim_many([road.names.publishing(an_acceptance("held").event)], hold=ACCEPTING)

    outcomes = await road.ledger.accept_many(
        [an_acceptance("old"), an_acceptance("new"), an_acceptance("held"), an_acceptance("minted", deduplicate=False)]
    )

    assert [outcome.duplicate for outcome in outcomes] == [True, False, False, False]
    assert [outcome.contended for outcome in outcomes] == [False, False, True, False]
    assert [read_task(body).event.id for body in road.broker.waiting] == ["old", "new", "minted"]


async def test_without_claims_nothing_is_accepted(road: MemoryRoad) -> None:
    road.steps.fail("claims.claim_many")

    with pytest.raises(Away):
        await road.accept()

    assert road.broker.waiting == []


async def test_what_cannot_be_sent_is_not_accepted_and_may_be_published_again_at_once(road: MemoryRoad) -> None:
    road.steps.fail("queue.send_many")

    with pytest.raises(Away):
        await road.accept()

    assert road.steps.taken == ["claims.claim_many", "queue.send_many", "claims.release_many"]
    accepted = await road.accept()
    assert (accepted.duplicate, accepted.contended) == (False, False)
    assert len(road.broker.waiting) == 1


async def test_a_claim_that_cannot_be_released_ends_by_itself(road: MemoryRoad) -> None:
    road.steps.fail("queue.send_many")
    road.steps.fail("claims.release_many")
    with pytest.raises(Away):
        await road.accept()

    assert (await road.accept()).contended
    road.clock.now += ACCEPTING
    assert not (await road.accept()).contended
    assert len(road.broker.waiting) == 1


async def test_who_is_cancelled_while_sending_lets_others_accept(road: MemoryRoad) -> None:
    road.steps.hold("queue.send_many")
    accepting = asyncio.create_task(road.accept())
    await road.steps.until("queue.send_many")

    accepting.cancel()
    await asyncio.wait([accepting])

    road.steps.let_go("queue.send_many")
    assert not (await road.accept()).contended


async def test_an_event_is_accepted_even_if_its_id_cannot_be_remembered(road: MemoryRoad) -> None:
    """Publishing it again is harmless by then: the deliveries have claims of their own."""
    road.steps.fail("claims.finish_many")

    accepted = await road.accept()

    assert (accepted.duplicate, accepted.contended) == (False, False)
    assert len(road.broker.waiting) == 1
    assert (await road.accept()).contended


# --- settling


async def test_nothing_is_acknowledged_before_the_retry_is_planned_and_the_attempt_is_durable(road: MemoryRoad) -> None:
    """FIX-2, and the third invariant."""
    leased = await road.leased()
    road.steps.taken.clear()

    await road.settle_one(leased, retry_in=MINUTE)

    planning, logging, *after = road.steps.taken
    assert {planning, logging} == {"retries.schedule_many", "log.insert_many"}
    assert after == ["claims.finish_many", "claims.release_many", "queue.ack"]


async def test_what_is_settled_is_in_every_store(road: MemoryRoad) -> None:
    leased = await road.leased(2)

    await road.settle_one(leased, retry_in=MINUTE)

    assert await road.unsettled() == 0
    assert [attempt.attempt_number for attempt in road.attempts] == [2]
    assert road.planned == [START + MINUTE]
    (plan,) = await road.waiting()
    assert (plan.failed_attempt, plan.due_at, plan.event) == (2, START + MINUTE, leased.task.event)


@pytest.mark.parametrize(
    "step", ["retries.schedule_many", "log.insert_many", "claims.release_many", "claims.finish_many"]
)
@pytest.mark.usefixtures("no_pauses")
async def test_a_server_that_is_away_is_waited_for_and_nothing_is_done_twice(road: MemoryRoad, step: str) -> None:
    """FIX-4: an outage neither sends the message back nor to the dead letters."""
    leased = await road.leased()
    road.steps.fail(step, times=5)

    await road.settle_one(leased, retry_in=MINUTE)

    assert road.steps.taken.count(step) == 6
    assert road.steps.taken.count("queue.ack") == 1
    assert await road.unsettled() == 0
    assert len(road.attempts) == len(await road.waiting()) == 1


@pytest.mark.parametrize(
    "step", ["retries.schedule_many", "log.insert_many", "claims.release_many", "claims.finish_many"]
)
async def test_until_then_the_message_is_not_acknowledged(road: MemoryRoad, step: str) -> None:
    """FIX-2: a process that dies here leaves the message to another."""
    leased = await road.leased()
    road.steps.hold(step)
    settling = asyncio.create_task(road.settle_one(leased, retry_in=MINUTE))
    await road.steps.until(step)

    assert "queue.ack" not in road.steps.taken
    settling.cancel()
    await asyncio.wait([settling])
    assert await road.unsettled() == 1


@pytest.mark.parametrize("step", ["retries.schedule_many", "log.insert_many"])
async def test_until_both_are_durable_nobody_else_may_make_the_attempt(road: MemoryRoad, step: str) -> None:
    leased = await road.leased()
    road.steps.hold(step)
    settling = asyncio.create_task(road.settle_one(leased, retry_in=MINUTE))
    await road.steps.until(step)

    assert await road.state_of(road.names.delivering(leased.task)) == "held"

    road.steps.let_go(step)
    await settling


async def test_a_success_is_remembered_and_a_failure_is_not(road: MemoryRoad) -> None:
    """FIX-3: the original program may plan a retry under the number of the attempt that failed."""
    succeeded, failed = await road.leased(event_id="good"), await road.leased(event_id="bad")

    await road.ledger.settle_many([a_settlement(succeeded, success=True), a_settlement(failed)])

    assert await road.state_of(road.names.delivering(succeeded.task)) == "done"
    assert await road.state_of(road.names.delivering(failed.task)) == "won"


async def test_a_dropped_task_is_acknowledged_and_leaves_no_attempt(road: MemoryRoad) -> None:
    """FIX-36: it does not go round until it is among the dead letters."""
    leased = await road.leased()

    await road.ledger.settle_many([Settlement(leased=leased, dropped=DropReason.DESTINATION_DELETED)])

    assert await road.unsettled() == 0
    assert road.attempts == road.broker.dead_letters == []


async def test_many_are_settled_by_one_call_to_each_store(road: MemoryRoad) -> None:
    settlements = [
        a_settlement(await road.leased(event_id=f"evt_{number}"), retry_at=START + MINUTE * number)
        for number in range(1, 21)
    ]
    road.steps.taken.clear()

    await road.ledger.settle_many(settlements)

    assert len(road.steps.taken) == len(set(road.steps.taken)) == 5
    assert road.planned == [START + MINUTE]
    assert await road.unsettled() == 0


# --- manual retries


@pytest.mark.parametrize(
    ("manual", "success", "retry_in", "left"),
    [
        (True, True, None, []),  # it worked: nothing is left to do
        (True, False, None, []),  # the last of the schedule: the one that waits would exceed it
        (True, False, MINUTE, [2]),  # the next step of the schedule takes the place of the one that waits
        (False, True, None, [1]),
        (False, False, None, [1]),
    ],
)
async def test_a_manual_attempt_takes_the_place_of_the_retry_that_waits(
    road: MemoryRoad, manual: bool, success: bool, retry_in: timedelta | None, left: list[int]
) -> None:
    """Acceptance scenario 4."""
    await road.settle_one(await road.leased(), retry_in=HOUR)

    await road.settle_one(await road.leased(2, manual=manual), success=success, retry_in=retry_in)

    assert [plan.failed_attempt for plan in await road.waiting()] == left
    assert await road.unsettled() == 0


async def test_a_manual_task_that_was_dropped_cancels_nothing(road: MemoryRoad) -> None:
    await road.settle_one(await road.leased(), retry_in=HOUR)
    again = await road.leased(2, manual=True)

    await road.ledger.settle_many([Settlement(leased=again, dropped=DropReason.DELIVERED_BEFORE)])

    assert len(await road.waiting()) == 1


@pytest.mark.usefixtures("no_pauses")
async def test_a_cancelling_that_fails_is_repeated_and_the_destination_is_not_asked_again(road: MemoryRoad) -> None:
    await road.settle_one(await road.leased(), retry_in=HOUR)
    road.steps.fail("retries.cancel_many", times=3)

    await road.settle_one(await road.leased(2, manual=True), success=True)

    assert await road.waiting() == []
    assert await road.unsettled() == 0
    assert len(road.attempts) == 2


async def test_a_retry_that_a_person_asks_for_has_the_number_after_the_last_one(road: MemoryRoad) -> None:
    road.memory.remember_event(an_event())
    for number in (1, 2):
        road.memory.remember_attempt(an_attempt(f"atm_{number}", attempt_number=number))

    assert await road.ledger.request_retry(TENANT, EventId("evt_1"), ONE) == 3

    (task,) = map(read_task, road.broker.waiting)
    assert (task.attempt_number, task.manual, task.destination_id, task.event) == (3, True, ONE, an_event())


async def test_a_retry_of_what_was_never_attempted_is_not_found(road: MemoryRoad) -> None:
    with pytest.raises(NotFound):
        await road.ledger.request_retry(TENANT, EventId("evt_1"), ONE)


@pytest.mark.parametrize("step", ["log.latest_attempt", "queue.send_many"])
async def test_a_person_is_told_that_a_retry_cannot_be_had_now(road: MemoryRoad, step: str) -> None:
    road.memory.remember_event(an_event())
    road.memory.remember_attempt(an_attempt())
    road.steps.fail(step)

    with pytest.raises(Unavailable):
        await road.ledger.request_retry(TENANT, EventId("evt_1"), ONE)

    assert road.broker.waiting == []


async def test_what_waits_for_a_destination_is_dropped_when_its_turn_comes(road: MemoryRoad) -> None:
    await road.settle_one(await road.leased(), retry_in=MINUTE)

    assert await road.ledger.drop_waiting(TENANT, [ONE], DropReason.DESTINATION_DISABLED) == 0

    assert [plan.key for plan in await road.waiting()] == [RetryKey(TENANT, EventId("evt_1"), ONE)]
