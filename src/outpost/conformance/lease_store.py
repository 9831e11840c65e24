"""What the lock of every store that can be migrated must do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outpost.migrations.lease import LeaseStore
from outpost.migrations.owner import this_process
from outpost.migrations.report import Progress
from outpost.migrations.steering import Steering, SteeringChange

ONE, TWO = "1" * 40, "2" * 40
PROGRESS = Progress(store="here", migration="000001_initial", done=7, total=10)
PAUSE, RESUME = SteeringChange(paused=True), SteeringChange(paused=False)
THROTTLE, UNTHROTTLE = SteeringChange(max_latency_ms=2.5), SteeringChange(max_latency_ms=None)


@dataclass
class LeaseHarness:
    """A lock under test; nothing holds it.

    Attributes:
        other: The same lock, as another process sees it.
        age: Makes the holder's last heartbeat so many seconds older.
    """

    lease: LeaseStore
    other: LeaseStore
    age: Callable[[float], Awaitable[None]]


class LeaseStoreConformance:
    """Bind it to a store with a fixture `harness`."""

    async def test_a_free_lock_is_taken_and_a_taken_one_is_not(self, harness: LeaseHarness) -> None:
        assert await harness.lease.holder() is None
        assert await harness.lease.take(ONE)

        assert not await harness.other.take(TWO)

    async def test_of_many_that_want_it_one_gets_it(self, harness: LeaseHarness) -> None:
        tokens = [f"{number:040x}" for number in range(12)]
        stores = [harness.lease, harness.other] * 6

        taken = await asyncio.gather(*[store.take(token) for store, token in zip(stores, tokens, strict=True)])

        assert sum(taken) == 1

    async def test_its_holder_can_take_it_again(self, harness: LeaseHarness) -> None:
        """A reply may be lost after the store did what was asked."""
        assert await harness.lease.take(ONE)

        assert await harness.lease.take(ONE)

    async def test_a_released_lock_is_free(self, harness: LeaseHarness) -> None:
        await harness.lease.take(ONE)
        await harness.lease.release(ONE)

        assert await harness.other.holder() is None
        assert await harness.other.take(TWO)

    async def test_nobody_releases_the_lock_of_another(self, harness: LeaseHarness) -> None:
        await harness.lease.take(ONE)
        await harness.other.release(TWO)

        assert await harness.lease.beat(ONE, None) is not None

    async def test_the_holder_says_who_it_is_and_how_far(self, harness: LeaseHarness) -> None:
        owner = this_process()
        await harness.lease.take(owner.token)

        assert await harness.lease.introduce(owner, 3)
        assert await harness.lease.beat(owner.token, PROGRESS) == Steering()

        holder = await harness.other.holder()
        assert holder is not None
        assert (holder.host, holder.pid, holder.user, holder.version) == (
            owner.host,
            owner.pid,
            owner.user,
            owner.version,
        )
        assert (holder.run, holder.fence, holder.started_at) == (owner.run, 3, owner.started_at)
        assert holder.progress == PROGRESS
        assert holder.alive
        assert not holder.foreign
        assert holder.heartbeat_age_seconds < 30

    async def test_who_lost_the_lock_cannot_introduce_itself(self, harness: LeaseHarness) -> None:
        owner = this_process()
        await harness.lease.take(TWO)

        assert not await harness.lease.introduce(owner, 3)

    async def test_a_stale_holder_is_taken_over_and_told(self, harness: LeaseHarness) -> None:
        owner = this_process()
        await harness.lease.take(owner.token)
        await harness.lease.introduce(owner, 1)
        await harness.age(91)

        stale = await harness.other.holder()
        assert stale is not None
        assert not stale.alive
        assert await harness.other.take(TWO)
        assert await harness.lease.beat(owner.token, None) is None

    async def test_a_holder_that_was_silent_for_less_is_not_taken_over(self, harness: LeaseHarness) -> None:
        owner = this_process()
        await harness.lease.take(owner.token)
        await harness.lease.introduce(owner, 1)
        await harness.age(80)

        assert not await harness.other.take(TWO)

    async def test_a_clock_that_was_set_back_makes_nobody_wait_for_a_dead_holder(self, harness: LeaseHarness) -> None:
        owner = this_process()
        await harness.lease.take(owner.token)
        await harness.lease.introduce(owner, 1)
        await harness.age(-3600)

        assert not await harness.other.take(TWO)
        await harness.age(91)

        assert await harness.other.take(TWO)

    async def test_a_clock_that_was_set_back_costs_no_living_holder_its_lock(self, harness: LeaseHarness) -> None:
        owner = this_process()
        await harness.lease.take(owner.token)
        await harness.lease.introduce(owner, 1)
        await harness.age(-3600)

        for _ in range(3):
            assert not await harness.other.take(TWO)
            assert await harness.lease.beat(owner.token, None) is not None

    async def test_the_fence_only_grows(self, harness: LeaseHarness) -> None:
        assert await harness.lease.fence() == 0
        await harness.lease.raise_fence(5)
        await harness.other.raise_fence(3)

        assert await harness.lease.fence() == 5

    async def test_the_fence_outlives_the_lock(self, harness: LeaseHarness) -> None:
        await harness.lease.take(ONE)
        await harness.lease.raise_fence(5)
        await harness.lease.release(ONE)

        assert await harness.lease.fence() == 5

    async def test_revoking_tells_whom_raises_the_fence_and_frees(self, harness: LeaseHarness) -> None:
        owner = this_process()
        await harness.lease.take(owner.token)
        await harness.lease.raise_fence(5)
        await harness.lease.introduce(owner, 5)

        evicted = await harness.other.revoke()

        assert evicted is not None
        assert evicted.run == owner.run
        assert await harness.lease.fence() == 6
        assert await harness.lease.beat(owner.token, None) is None
        assert await harness.other.take(TWO)

    async def test_revoking_a_free_lock_finds_nobody(self, harness: LeaseHarness) -> None:
        assert await harness.lease.revoke() is None

    async def test_the_holder_hears_what_is_asked_of_it(self, harness: LeaseHarness) -> None:
        token = await _held(harness)
        asked = Steering(paused=True, max_latency_ms=2.5)

        assert await harness.other.steer(SteeringChange(paused=True, max_latency_ms=2.5)) == asked

        assert await harness.lease.beat(token, None) == asked

    async def test_a_pause_and_a_latency_budget_do_not_undo_each_other(self, harness: LeaseHarness) -> None:
        token = await _held(harness)
        heard: list[Steering | None] = []

        for change in (PAUSE, THROTTLE, RESUME, PAUSE, UNTHROTTLE, RESUME):
            assert await harness.other.steer(change) == await harness.lease.beat(token, None)
            heard.append(await harness.lease.beat(token, None))

        assert heard == [
            Steering(paused=True),
            Steering(paused=True, max_latency_ms=2.5),
            Steering(max_latency_ms=2.5),
            Steering(paused=True, max_latency_ms=2.5),
            Steering(paused=True),
            Steering(),
        ]

    async def test_of_changes_at_once_none_is_undone(self, harness: LeaseHarness) -> None:
        token = await _held(harness)

        for pause, throttle in ((PAUSE, THROTTLE), (RESUME, UNTHROTTLE)) * 5:
            await asyncio.gather(*[harness.lease.steer(pause), harness.other.steer(throttle)])

            heard = await harness.lease.beat(token, None)
            assert heard is not None
            assert (heard.paused, heard.max_latency_ms) == (pause.paused, throttle.max_latency_ms)

    async def test_what_is_asked_of_the_holder_is_seen_from_elsewhere(self, harness: LeaseHarness) -> None:
        await _held(harness)
        before = await harness.other.holder()
        await harness.lease.steer(PAUSE)
        await harness.lease.steer(THROTTLE)

        after = await harness.other.holder()
        assert before is not None
        assert before.steering == Steering()
        assert after is not None
        assert after.steering == Steering(paused=True, max_latency_ms=2.5)

    async def test_nobody_hears_it_while_nobody_holds_the_lock(self, harness: LeaseHarness) -> None:
        assert await harness.lease.steer(PAUSE) is None

        assert await harness.lease.beat(await _held(harness), None) == Steering()

    async def test_what_was_asked_of_an_earlier_holder_is_not_asked_of_the_next(self, harness: LeaseHarness) -> None:
        token = await _held(harness)
        await harness.lease.steer(PAUSE)
        await harness.lease.release(token)

        token = await _held(harness)
        assert await harness.lease.beat(token, None) == Steering()
        assert await harness.other.steer(THROTTLE) == Steering(max_latency_ms=2.5)


async def _held(harness: LeaseHarness) -> str:
    """Let a run take the lock and introduce itself; return its token."""
    owner = this_process()
    assert await harness.lease.take(owner.token)
    assert await harness.lease.introduce(owner, 1)
    return owner.token
