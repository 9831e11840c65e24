"""What every ledger with its delivery queue must do."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from outpost.domain.attempt import Attempt, AttemptStatus
from outpost.domain.delivery import DropReason
from outpost.domain.errors import BacklogFull, NotFound
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.delivery_queue import DeliveryQueue, LaneKey
from outpost.ports.ledger import Acceptance, LeasedTask, Ledger, Settlement

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TENANT = TenantId("acme")
ONE, TWO = DestinationId("des_1"), DestinationId("des_2")
LANE_ONE = LaneKey(TENANT, ONE)


class LedgerWithQueue(Ledger, DeliveryQueue, Protocol):
    """One driver that keeps both ports."""


@dataclass
class LedgerHarness:
    """A driver under test.

    The tenants `acme` and `umbrella` exist, each with the destinations `des_1` and `des_2`. Retries are planned as
    `RetryPolicy()` says.

    Attributes:
        now: What the driver's clock tells; tests move it.
        backlog_limit: The limit the driver was opened with.
        attempts: Returns the stored attempts of an event of `acme`, in order of attempt number.
        dropped: Returns how many drops of each reason are recorded.
        restart: Opens the driver again as after a crash, and returns it.
    """

    ledger: LedgerWithQueue
    now: list[datetime]
    backlog_limit: int
    attempts: Callable[[str], Awaitable[Sequence[Attempt]]]
    dropped: Callable[[], Awaitable[dict[str, int]]]
    restart: Callable[[], Awaitable[LedgerWithQueue]] | None = None


def an_acceptance(
    event_id: str = "evt_1",
    *,
    tenant_id: TenantId = TENANT,
    to: Sequence[DestinationId] = (ONE,),
    lease: bool = True,
    deduplicate: bool = True,
) -> Acceptance:
    event = Event(
        id=EventId(event_id),
        tenant_id=tenant_id,
        topic="user.created",
        time=START,
        eligible_for_retry=True,
        metadata={"k": "v"},
        data=b'{"z":1.0, "a":"\xc3\xa9"}',
        matched_destination_ids=tuple(to),
    )
    return Acceptance(event=event, deduplicate=deduplicate, lease_to=frozenset(to) if lease else frozenset())


def a_settlement(
    leased: LeasedTask, *, success: bool = False, retry_at: datetime | None = None, time: datetime = START
) -> Settlement:
    task = leased.task
    attempt = Attempt(
        id=AttemptId(f"atm_{task.event.id}_{task.destination_id}_{task.attempt_number}_{int(task.manual)}"),
        tenant_id=task.event.tenant_id,
        event_id=task.event.id,
        destination_id=task.destination_id,
        destination_type="webhook",
        attempt_number=task.attempt_number,
        manual=task.manual,
        status=AttemptStatus.SUCCESS if success else AttemptStatus.FAILED,
        time=time,
        code="200" if success else "500",
        response_data=b'{"status":200,"body":"ok"}',
    )
    return Settlement(leased=leased, attempt=attempt, retry_at=retry_at)


class LedgerConformance:
    """Bind it by a fixture `harness` that yields a LedgerHarness."""

    async def accept_one(self, harness: LedgerHarness, event_id: str = "evt_1") -> LeasedTask:
        (accepted,) = await harness.ledger.accept_many([an_acceptance(event_id)])
        (leased,) = accepted.leased
        return leased

    async def claim_all(self, harness: LedgerHarness, lane: LaneKey = LANE_ONE) -> Sequence[LeasedTask]:
        return (await harness.ledger.claim(lane, limit=1000, now=harness.now[0])).tasks

    async def test_accepting_leases_the_tasks_the_caller_will_deliver(self, harness: LedgerHarness) -> None:
        acceptance = an_acceptance(to=(ONE, TWO))

        (accepted,) = await harness.ledger.accept_many([acceptance])

        assert not accepted.duplicate
        assert [leased.task.destination_id for leased in accepted.leased] == [ONE, TWO]
        assert [leased.task.attempt_number for leased in accepted.leased] == [1, 1]
        assert accepted.leased[0].task.event == acceptance.event
        assert harness.ledger.depth() == 2
        assert await harness.ledger.next_due() == {}

    async def test_a_task_that_is_not_leased_waits_and_is_claimed_whole(self, harness: LedgerHarness) -> None:
        acceptance = an_acceptance(lease=False)
        (accepted,) = await harness.ledger.accept_many([acceptance])

        (claimed,) = await self.claim_all(harness)

        assert accepted.leased == () or list(accepted.leased) == []
        assert claimed.task.event == acceptance.event
        assert (claimed.task.attempt_number, claimed.task.manual) == (1, False)

    async def test_a_claimed_task_is_claimed_only_once(self, harness: LedgerHarness) -> None:
        await harness.ledger.accept_many([an_acceptance(f"evt_{number}", lease=False) for number in range(5)])

        first = await harness.ledger.claim(LANE_ONE, limit=3, now=harness.now[0])
        second = await harness.ledger.claim(LANE_ONE, limit=3, now=harness.now[0])
        third = await harness.ledger.claim(LANE_ONE, limit=3, now=harness.now[0])

        assert [len(first.tasks), len(second.tasks), len(third.tasks)] == [3, 2, 0]
        assert len({leased.task.event.id for leased in (*first.tasks, *second.tasks)}) == 5
        assert first.next_due is not None
        assert second.next_due is None

    async def test_a_claim_takes_only_the_tasks_of_its_destination(self, harness: LedgerHarness) -> None:
        await harness.ledger.accept_many([an_acceptance(to=(ONE, TWO), lease=False)])
        await harness.ledger.accept_many([an_acceptance(tenant_id=TenantId("umbrella"), lease=False)])

        (claimed,) = await self.claim_all(harness)

        assert (claimed.task.event.tenant_id, claimed.task.destination_id) == (TENANT, ONE)

    async def test_the_same_id_again_is_a_duplicate_and_stores_nothing(self, harness: LedgerHarness) -> None:
        await self.accept_one(harness)

        (again,) = await harness.ledger.accept_many([an_acceptance()])

        assert again.duplicate
        assert not again.leased
        assert harness.ledger.depth() == 1

    async def test_the_same_id_twice_in_one_call_is_accepted_once(self, harness: LedgerHarness) -> None:
        first, second = await harness.ledger.accept_many([an_acceptance(), an_acceptance()])

        assert (first.duplicate, second.duplicate) == (False, True)
        assert harness.ledger.depth() == 1

    async def test_an_id_belongs_to_its_tenant(self, harness: LedgerHarness) -> None:
        """FIX-9: two tenants may use the same event id."""
        await self.accept_one(harness)

        (other,) = await harness.ledger.accept_many([an_acceptance(tenant_id=TenantId("umbrella"))])

        assert not other.duplicate
        assert harness.ledger.depth() == 2

    async def test_an_id_may_be_used_again_after_the_window(self, harness: LedgerHarness) -> None:
        await self.accept_one(harness)
        harness.now[0] += timedelta(hours=1, seconds=1)

        (again,) = await harness.ledger.accept_many([an_acceptance()])

        assert not again.duplicate

    async def test_past_the_backlog_limit_nothing_is_accepted(self, harness: LedgerHarness) -> None:
        for number in range(harness.backlog_limit):
            await self.accept_one(harness, f"evt_{number}")

        with pytest.raises(BacklogFull):
            await harness.ledger.accept_many([an_acceptance("one_more")])
        assert harness.ledger.depth() == harness.backlog_limit

    async def test_settled_work_makes_room_in_the_backlog(self, harness: LedgerHarness) -> None:
        leased = [await self.accept_one(harness, f"evt_{number}") for number in range(harness.backlog_limit)]
        await harness.ledger.settle_many([a_settlement(leased[0], success=True)])

        (accepted,) = await harness.ledger.accept_many([an_acceptance("one_more")])

        assert not accepted.duplicate

    async def test_a_success_ends_the_task_and_records_the_attempt(self, harness: LedgerHarness) -> None:
        settlement = a_settlement(await self.accept_one(harness), success=True)

        await harness.ledger.settle_many([settlement])

        assert harness.ledger.depth() == 0
        assert await harness.attempts("evt_1") == [settlement.attempt]

    async def test_a_failure_with_a_retry_waits_until_it_is_due(self, harness: LedgerHarness) -> None:
        leased = await self.accept_one(harness)
        due_at = START + timedelta(seconds=30)
        await harness.ledger.settle_many([a_settlement(leased, retry_at=due_at)])

        early = await harness.ledger.claim(LANE_ONE, limit=10, now=due_at - timedelta(milliseconds=1))
        in_time = await harness.ledger.claim(LANE_ONE, limit=10, now=due_at)

        assert (early.tasks, early.next_due) == ([], due_at)
        (task,) = (claimed.task for claimed in in_time.tasks)
        assert (task.attempt_number, task.manual) == (2, False)
        assert len(await harness.attempts("evt_1")) == 1

    async def test_next_due_tells_the_earliest_of_each_destination(self, harness: LedgerHarness) -> None:
        (accepted,) = await harness.ledger.accept_many([an_acceptance(to=(ONE, TWO))])
        one, two = accepted.leased
        await harness.ledger.settle_many(
            [
                a_settlement(one, retry_at=START + timedelta(seconds=5)),
                a_settlement(two, retry_at=START + timedelta(seconds=3)),
            ]
        )
        other = await self.accept_one(harness, "evt_2")
        await harness.ledger.settle_many([a_settlement(other, retry_at=START + timedelta(seconds=4))])

        due = await harness.ledger.next_due()

        assert due == {
            LANE_ONE: START + timedelta(seconds=4),
            LaneKey(TENANT, TWO): START + timedelta(seconds=3),
        }

    async def test_settling_twice_changes_nothing(self, harness: LedgerHarness) -> None:
        leased = await self.accept_one(harness)
        await harness.ledger.settle_many([a_settlement(leased, success=True)])

        await harness.ledger.settle_many([a_settlement(leased, retry_at=START)])

        assert harness.ledger.depth() == 0
        assert [attempt.status for attempt in await harness.attempts("evt_1")] == ["success"]

    async def test_the_same_settlement_twice_in_one_call_counts_once(self, harness: LedgerHarness) -> None:
        settlement = a_settlement(await self.accept_one(harness), success=True)

        await harness.ledger.settle_many([settlement, settlement])

        assert len(await harness.attempts("evt_1")) == 1
        assert harness.ledger.depth() == 0

    async def test_hundreds_of_settlements_in_one_call_all_count(self, harness: LedgerHarness) -> None:
        accepted = await harness.ledger.accept_many(
            [an_acceptance(f"many_{number}", to=(ONE, TWO)) for number in range(harness.backlog_limit // 2)]
        )
        leased = [task for each in accepted for task in each.leased]
        retry_at = START + timedelta(seconds=1)

        await harness.ledger.settle_many(
            [a_settlement(task, retry_at=retry_at if number % 5 == 0 else None) for number, task in enumerate(leased)]
        )

        assert harness.ledger.depth() == len(range(0, len(leased), 5))
        assert len(await harness.attempts("many_7")) == 2

    async def test_a_dropped_task_ends_with_its_reason_recorded(self, harness: LedgerHarness) -> None:
        leased = await self.accept_one(harness)

        await harness.ledger.settle_many([Settlement(leased=leased, dropped=DropReason.DESTINATION_DISABLED)])

        assert harness.ledger.depth() == 0
        assert await harness.dropped() == {"destination_disabled": 1}
        assert await harness.attempts("evt_1") == []

    async def test_dropping_ends_the_waiting_tasks_of_the_destination_alone(self, harness: LedgerHarness) -> None:
        leased = await self.accept_one(harness)
        await harness.ledger.accept_many([an_acceptance("evt_2", to=(ONE, TWO), lease=False)])

        dropped = await harness.ledger.drop_waiting(TENANT, [ONE], DropReason.DESTINATION_DELETED)

        assert dropped == 1
        assert await harness.dropped() == {"destination_deleted": 1}
        assert await self.claim_all(harness) == []
        assert len(await self.claim_all(harness, LaneKey(TENANT, TWO))) == 1
        await harness.ledger.settle_many([a_settlement(leased, success=True)])
        assert len(await harness.attempts("evt_1")) == 1

    async def test_a_manual_retry_is_due_at_once_with_the_next_number(self, harness: LedgerHarness) -> None:
        await harness.ledger.settle_many([a_settlement(await self.accept_one(harness), success=True)])

        number = await harness.ledger.request_retry(TENANT, EventId("evt_1"), ONE)

        (claimed,) = await self.claim_all(harness)
        assert number == 2
        assert (claimed.task.attempt_number, claimed.task.manual) == (2, True)

    async def test_two_quick_manual_retries_get_two_numbers(self, harness: LedgerHarness) -> None:
        """FIX 47 of the HTTP API: both were acknowledged, so both run."""
        await harness.ledger.settle_many([a_settlement(await self.accept_one(harness), success=True)])

        numbers = [await harness.ledger.request_retry(TENANT, EventId("evt_1"), ONE) for _ in range(2)]

        assert numbers == [2, 3]
        assert [claimed.task.attempt_number for claimed in await self.claim_all(harness)] == [2, 3]

    async def test_a_manual_retry_takes_the_place_of_the_waiting_automatic_one(self, harness: LedgerHarness) -> None:
        due_at = START + timedelta(seconds=30)
        await harness.ledger.settle_many([a_settlement(await self.accept_one(harness), retry_at=due_at)])

        number = await harness.ledger.request_retry(TENANT, EventId("evt_1"), ONE)

        (manual,) = await self.claim_all(harness)
        assert number == 2
        assert harness.ledger.depth() == 1
        await harness.ledger.settle_many([a_settlement(manual, retry_at=due_at + timedelta(seconds=60))])
        assert (await harness.ledger.claim(LANE_ONE, limit=10, now=due_at)).tasks == []
        later = await harness.ledger.claim(LANE_ONE, limit=10, now=due_at + timedelta(seconds=60))
        assert [(claimed.task.attempt_number, claimed.task.manual) for claimed in later.tasks] == [(3, False)]

    async def test_while_a_manual_retry_waits_the_automatic_chain_leaves_the_rest_to_it(
        self, harness: LedgerHarness
    ) -> None:
        leased = await self.accept_one(harness)
        number = await harness.ledger.request_retry(TENANT, EventId("evt_1"), ONE)

        await harness.ledger.settle_many([a_settlement(leased, retry_at=START)])

        assert number == 2
        assert [claimed.task.manual for claimed in await self.claim_all(harness)] == [True]

    async def test_a_retry_of_what_was_never_owed_is_not_found(self, harness: LedgerHarness) -> None:
        await self.accept_one(harness)

        with pytest.raises(NotFound):
            await harness.ledger.request_retry(TENANT, EventId("evt_1"), TWO)
        with pytest.raises(NotFound):
            await harness.ledger.request_retry(TENANT, EventId("nope"), ONE)
        with pytest.raises(NotFound):
            await harness.ledger.request_retry(TenantId("umbrella"), EventId("evt_1"), ONE)

    async def test_after_the_clock_was_set_back_a_retry_waits_no_longer_than_its_delay(
        self, harness: LedgerHarness
    ) -> None:
        leased = await self.accept_one(harness)
        await harness.ledger.settle_many([a_settlement(leased, retry_at=START + timedelta(seconds=30))])
        now = harness.now[0] = START - timedelta(hours=1)

        await harness.ledger.move_up(now=now)

        assert await harness.ledger.next_due() == {LANE_ONE: now + timedelta(seconds=30)}

    async def test_after_the_clock_was_set_back_what_had_to_wait_for_nothing_is_due(
        self, harness: LedgerHarness
    ) -> None:
        await harness.ledger.accept_many([an_acceptance("evt_1", to=(ONE,), lease=False)])
        await harness.ledger.accept_many([an_acceptance("evt_2", to=(TWO,), lease=False)])
        await harness.ledger.request_retry(TENANT, EventId("evt_2"), TWO)
        now = harness.now[0] = START - timedelta(hours=1)

        await harness.ledger.move_up(now=now)

        assert await harness.ledger.next_due() == {LANE_ONE: now, LaneKey(TENANT, TWO): now}

    async def test_what_is_planned_by_the_present_clock_is_not_moved(self, harness: LedgerHarness) -> None:
        due_at = START + timedelta(seconds=30)
        await harness.ledger.settle_many([a_settlement(await self.accept_one(harness), retry_at=due_at)])

        for seconds in (0, 10, 60):
            await harness.ledger.move_up(now=START + timedelta(seconds=seconds))

        assert await harness.ledger.next_due() == {LANE_ONE: due_at}

    async def test_a_clock_that_was_set_back_between_two_runs_delays_no_first_attempt(
        self, harness: LedgerHarness
    ) -> None:
        if harness.restart is None:
            pytest.skip("this driver keeps nothing across a restart")
        leased = await self.accept_one(harness)
        harness.now[0] = START - timedelta(hours=1)

        reopened = await harness.restart()

        (claimed,) = (await reopened.claim(LANE_ONE, limit=10, now=harness.now[0])).tasks
        assert claimed.task == leased.task

    async def test_after_a_crash_every_leased_task_waits_again(self, harness: LedgerHarness) -> None:
        if harness.restart is None:
            pytest.skip("this driver keeps nothing across a restart")
        leased = await self.accept_one(harness)

        reopened = await harness.restart()

        assert reopened.depth() == 1
        assert list(await reopened.next_due()) == [LANE_ONE]
        (claimed,) = (await reopened.claim(LANE_ONE, limit=10, now=harness.now[0])).tasks
        assert claimed.task == leased.task

    async def test_a_worker_of_an_earlier_run_cannot_settle(self, harness: LedgerHarness) -> None:
        if harness.restart is None:
            pytest.skip("this driver keeps nothing across a restart")
        leased = await self.accept_one(harness)
        reopened = await harness.restart()
        (claimed,) = (await reopened.claim(LANE_ONE, limit=10, now=harness.now[0])).tasks

        await harness.ledger.settle_many([a_settlement(leased, retry_at=START)])

        assert await harness.attempts("evt_1") == []
        await reopened.settle_many([a_settlement(claimed, success=True)])
        assert [attempt.status for attempt in await harness.attempts("evt_1")] == ["success"]
        assert reopened.depth() == 0
