"""What every driver of the retry schedule must do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import pytest

from outpost.conformance.builders import ONE, START, TENANT, TWO, an_event
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.domain.retry_policy import LONGEST_DELAY
from outpost.ports.retry_scheduler import DueRetry, PlannedRetry, RetryKey, RetryScheduler

OTHER = TenantId("umbrella")
KEY = RetryKey(TENANT, EventId("evt_1"), ONE)
KEY_TWO = RetryKey(TENANT, EventId("evt_1"), TWO)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
A_MOMENT = timedelta(seconds=20)
"""Longer than a test takes: the server's clock goes on while the test's stands still."""


@dataclass
class RetrySchedulerHarness:
    """A driver under test, with nothing planned at first.

    Attributes:
        other: The same schedule, as another process sees it.
        visibility: What the drivers were given; 10 to 60 seconds.
        now: The time that the drivers were told; START at first.
        elapse: Lets so much time go by, for the drivers and for what is planned.
        dead: Returns what is among the dead letters.
    """

    scheduler: RetryScheduler
    other: RetryScheduler
    visibility: timedelta
    now: Callable[[], datetime]
    elapse: Callable[[timedelta], Awaitable[None]]
    dead: Callable[[], Awaitable[Sequence[RetryKey]]]

    async def take(self) -> list[DueRetry]:
        return [*(await self.scheduler.take_due(1000)).items]

    async def taken(self) -> list[RetryKey]:
        return keys_of(await self.take())


class RetrySchedulerConformance:
    """Bind it by a fixture `harness` that yields a RetrySchedulerHarness."""

    # --- planning

    async def test_a_retry_is_taken_when_it_is_due_and_not_before(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan(due_in=HOUR)])

        assert await harness.taken() == []
        await harness.elapse(HOUR - A_MOMENT)
        assert await harness.taken() == []
        await harness.elapse(A_MOMENT)
        assert await harness.taken() == [KEY]

    @pytest.mark.parametrize(
        "event",
        [
            None,
            an_event(),
            an_event(metadata={}, topic="", eligible_for_retry=False, matched_destination_ids=()),
            an_event('"<&>" ü', metadata={"\u2028": "\x01"}, data=b'{ "a":1.0,\n"<":1e3}'),
            an_event(time=START.replace(microsecond=0)),
        ],
    )
    @pytest.mark.parametrize("number", [None, 1, 17])
    async def test_what_was_planned_is_what_is_taken(
        self, harness: RetrySchedulerHarness, event: Event | None, number: int | None
    ) -> None:
        event_id = EventId("evt_1") if event is None else event.id
        plan = a_plan(RetryKey(TENANT, event_id, ONE), failed_attempt=number, event=event, due_in=MINUTE)
        await harness.scheduler.schedule_many([plan])
        await harness.elapse(MINUTE)

        (due,) = (await harness.other.take_due(10)).items

        assert about(due.plan.due_at, plan.due_at)
        assert msgspec.structs.replace(due.plan, due_at=plan.due_at) == plan

    async def test_a_time_that_has_passed_means_now(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan(due_in=-HOUR)])

        assert await harness.taken() == [KEY]

    async def test_an_endless_delay_is_cut(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan(due_in=LONGEST_DELAY * 3)])

        assert about(await harness.scheduler.next_due(), START + LONGEST_DELAY)

    async def test_one_retry_waits_for_each_pair(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan(due_in=MINUTE), a_plan(KEY_TWO, due_in=MINUTE)])
        await harness.other.schedule_many([a_plan(failed_attempt=2, due_in=HOUR)])
        await harness.elapse(MINUTE)
        assert await harness.taken() == [KEY_TWO]

        await harness.elapse(HOUR)

        found = {due.plan.key: due.plan.failed_attempt for due in await harness.take()}
        assert found == {KEY: 2, KEY_TWO: 1}

    async def test_of_two_plans_in_one_call_the_last_counts(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan(failed_attempt=1), a_plan(failed_attempt=2)])

        assert [due.plan.failed_attempt for due in await harness.take()] == [2]

    @pytest.mark.parametrize(
        ("key", "other"),
        [
            (KEY, RetryKey(OTHER, KEY.event_id, KEY.destination_id)),
            (
                RetryKey(TENANT, EventId("a:b"), DestinationId("c")),
                RetryKey(TENANT, EventId("a"), DestinationId("b:c")),
            ),
        ],
        ids=["two tenants", "ids with colons"],
    )
    async def test_keys_that_look_alike_are_told_apart(
        self, harness: RetrySchedulerHarness, key: RetryKey, other: RetryKey
    ) -> None:
        await harness.scheduler.schedule_many([a_plan(key), a_plan(other, failed_attempt=2)])
        await harness.scheduler.schedule_many([a_plan(other, failed_attempt=3), a_plan(key, failed_attempt=4)])

        first = await harness.take()
        assert {due.plan.key: due.plan.failed_attempt for due in first} == {key: 4, other: 3}

        await harness.scheduler.settle_many([due for due in first if due.plan.key == key])
        await harness.scheduler.schedule_many([a_plan(other, failed_attempt=5)])
        await harness.scheduler.schedule_many([a_plan(key, failed_attempt=6)])
        second = await harness.take()
        assert {due.plan.key: due.plan.failed_attempt for due in second} == {key: 6, other: 5}

        await harness.elapse(harness.visibility)
        third = await harness.take()
        assert sorted(due.plan.failed_attempt or 0 for due in third) == [5, 6]

        await harness.scheduler.cancel_many([other])
        await harness.elapse(harness.visibility)
        assert await harness.taken() == [key]

    # --- taking

    async def test_the_earliest_come_first_and_the_rest_next_time(self, harness: RetrySchedulerHarness) -> None:
        plans = [a_plan(a_key(number), due_in=-MINUTE * number) for number in range(5)]
        await harness.scheduler.schedule_many(plans[:1])
        for plan in plans[1:]:
            await harness.elapse(timedelta(seconds=1))
            await harness.scheduler.schedule_many([plan])

        first = await harness.scheduler.take_due(3)
        second = await harness.scheduler.take_due(3)

        assert keys_of(first.items) == [a_key(0), a_key(1), a_key(2)]
        assert first.next_due is not None
        assert first.next_due <= harness.now()
        assert keys_of(second.items) == [a_key(3), a_key(4)]

    async def test_of_many_who_take_one_gets_each(self, harness: RetrySchedulerHarness) -> None:
        keys = [a_key(number) for number in range(250)]
        await harness.scheduler.schedule_many([a_plan(key) for key in keys])

        taken = await asyncio.gather(
            *(each.take_due(20) for each in (harness.scheduler, harness.other) for _ in range(10))
        )

        found = [due.plan.key.event_id for each in taken for due in each.items]
        assert sorted(found) == sorted(key.event_id for key in keys)

    async def test_what_nobody_settles_is_due_again(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan()])
        assert await harness.taken() == [KEY]
        assert (await harness.other.take_due(10)).items == []

        await harness.elapse(harness.visibility)

        assert keys_of((await harness.other.take_due(10)).items) == [KEY]

    async def test_who_finds_nothing_hears_when_to_ask_again(self, harness: RetrySchedulerHarness) -> None:
        assert (await harness.scheduler.take_due(10)).next_due is None
        assert await harness.scheduler.next_due() is None

        await harness.scheduler.schedule_many([a_plan(due_in=HOUR), a_plan(KEY_TWO, due_in=HOUR * 2)])
        found = await harness.scheduler.take_due(10)

        assert found.items == []
        assert about(found.next_due, START + HOUR)
        assert about(await harness.other.next_due(), START + HOUR)

    async def test_what_is_hidden_counts_as_due_when_that_ends(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan(), a_plan(KEY_TWO, due_in=HOUR)])

        found = await harness.scheduler.take_due(10)

        assert about(found.next_due, START + harness.visibility)

    # --- settling

    async def test_what_is_settled_is_gone(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan(), a_plan(KEY_TWO)])
        one = [due for due in await harness.take() if due.plan.key == KEY]

        await harness.scheduler.settle_many(one)
        await harness.scheduler.settle_many(one)

        await harness.elapse(harness.visibility)
        assert await harness.taken() == [KEY_TWO]

    async def test_a_retry_planned_while_the_last_one_runs_is_kept(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan()])
        running = await harness.take()
        await harness.other.schedule_many([a_plan(failed_attempt=2, due_in=MINUTE)])

        await harness.scheduler.settle_many(running)
        await harness.scheduler.postpone_many(running)

        await harness.elapse(MINUTE)
        (due,) = await harness.take()
        assert due.plan.failed_attempt == 2

    async def test_a_retry_planned_and_taken_while_the_last_one_runs_is_kept(
        self, harness: RetrySchedulerHarness
    ) -> None:
        await harness.scheduler.schedule_many([a_plan()])
        running = await harness.take()
        await harness.elapse(timedelta(seconds=1))
        await harness.other.schedule_many([a_plan(failed_attempt=2)])
        assert keys_of((await harness.other.take_due(10)).items) == [KEY]

        await harness.scheduler.settle_many(running)

        await harness.elapse(harness.visibility)
        assert [due.plan.failed_attempt for due in await harness.take()] == [2]

    async def test_who_is_late_settles_nothing_that_another_took(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan()])
        late = await harness.take()
        await harness.elapse(harness.visibility)
        again = await harness.other.take_due(10)

        await harness.scheduler.settle_many(late)

        await harness.elapse(harness.visibility)
        assert keys_of(again.items) == await harness.taken() == [KEY]

    async def test_who_is_late_and_alone_settles(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan()])
        late = await harness.take()
        await harness.elapse(harness.visibility)

        await harness.scheduler.settle_many(late)

        assert await harness.taken() == []

    # --- cancelling

    async def test_what_is_cancelled_is_gone(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan(), a_plan(KEY_TWO)])

        await harness.other.cancel_many([KEY, RetryKey(TENANT, EventId("unknown"), ONE)])

        assert await harness.taken() == [KEY_TWO]

    async def test_what_is_cancelled_while_it_runs_does_not_come_back(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan()])
        running = await harness.take()

        await harness.scheduler.cancel_many([KEY])
        await harness.scheduler.postpone_many(running)
        await harness.scheduler.settle_many(running)

        assert await harness.scheduler.next_due() is None

    # --- postponing

    async def test_what_cannot_run_waits_longer_each_time_and_is_given_up(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan(event=an_event()), a_plan(KEY_TWO, due_in=HOUR * 24)])
        for factor in (1, 2, 4, 8, 16):
            due = await harness.take()
            assert await harness.scheduler.postpone_many(due) == []
            pause = min(harness.visibility * factor, timedelta(minutes=15))
            assert about(await harness.scheduler.next_due(), harness.now() + pause)
            await harness.elapse(pause)
        assert await harness.dead() == []

        due = await harness.take()
        given_up = await harness.scheduler.postpone_many(due)
        again = await harness.scheduler.postpone_many(due)

        assert keys_of(given_up) == await harness.dead() == [KEY]
        assert again == []
        assert about(await harness.scheduler.next_due(), START + HOUR * 24)

    async def test_planning_anew_forgets_how_often_it_was_taken(self, harness: RetrySchedulerHarness) -> None:
        for _ in range(3):
            await harness.scheduler.schedule_many([a_plan()])
            for _ in range(4):
                await harness.scheduler.postpone_many(await harness.take())
                await harness.elapse(timedelta(minutes=15))

        assert await harness.dead() == []

    async def test_what_another_took_is_not_postponed(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([a_plan()])
        late = await harness.take()
        await harness.elapse(harness.visibility)
        await harness.other.take_due(10)

        await harness.scheduler.postpone_many(late)

        assert about(await harness.scheduler.next_due(), harness.now() + harness.visibility)

    # --- many, and none

    async def test_many_are_planned_postponed_settled_and_cancelled(self, harness: RetrySchedulerHarness) -> None:
        keys = [a_key(number) for number in range(350)]
        await harness.scheduler.schedule_many([a_plan(key) for key in keys])
        due = await harness.take()
        assert len(due) == len(keys)

        await harness.scheduler.settle_many(due[:150])
        await harness.scheduler.postpone_many(due[150:])
        await harness.scheduler.cancel_many(keys_of(due[150:300]))

        await harness.elapse(harness.visibility)
        assert sorted(key.event_id for key in await harness.taken()) == sorted(
            each.plan.key.event_id for each in due[300:]
        )

    async def test_nothing_is_planned_cancelled_settled_or_postponed(self, harness: RetrySchedulerHarness) -> None:
        await harness.scheduler.schedule_many([])
        await harness.scheduler.cancel_many([])
        await harness.scheduler.settle_many([])

        assert await harness.scheduler.postpone_many([]) == []
        assert await harness.scheduler.next_due() is None


def a_key(number: int) -> RetryKey:
    return RetryKey(TENANT, EventId(f"evt_{number}"), ONE)


def a_plan(
    key: RetryKey = KEY,
    *,
    failed_attempt: int | None = 1,
    due_in: timedelta = timedelta(),
    event: Event | None = None,
) -> PlannedRetry:
    """Return a plan, due so long after START."""
    return PlannedRetry(key=key, failed_attempt=failed_attempt, due_at=START + due_in, event=event)


def keys_of(items: Sequence[DueRetry]) -> list[RetryKey]:
    return [due.plan.key for due in items]


def about(instant: datetime | None, expected: datetime) -> bool:
    return instant is not None and expected - A_MOMENT <= instant <= expected + timedelta(milliseconds=1)
