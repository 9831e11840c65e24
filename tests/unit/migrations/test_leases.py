"""Holding the leases of several stores."""

import asyncio
from collections.abc import Sequence

import pytest

from outpost.migrations.errors import LeaseLost, LockHeld, Unreachable
from outpost.migrations.lease import HeldLeases, acquired
from outpost.migrations.owner import this_process
from outpost.migrations.report import Holder, Progress
from outpost.migrations.steering import SteeringChange
from tests.support.leases import QUICK, MemoryLease

OTHER = "f" * 40


def _holding(stores: Sequence[MemoryLease], *, lock_seconds: float | None = 0, waits: list[Holder] | None = None):
    heard = [] if waits is None else waits
    return acquired(stores, this_process(), lock_seconds=lock_seconds, waiting=heard.append, timings=QUICK)


async def _beaten(held: HeldLeases, store: MemoryLease, times: int = 1) -> None:
    seen = store.log.count((store.store, "beat")) + times
    async with asyncio.timeout(5):
        while store.log.count((store.store, "beat")) < seen:
            await held.steering_changed()


async def _work(held: HeldLeases) -> None:
    """Work until the leases are lost."""
    while True:
        held.check()
        await asyncio.sleep(0)


async def test_leases_are_taken_in_order_before_any_fence_and_released_in_reverse() -> None:
    log: list[tuple[str, str]] = []
    postgres, redis = MemoryLease("postgres", log), MemoryLease("redis", log)

    async with _holding([postgres, redis]):
        taken = list(log)

    assert [call for call in taken if call[1] == "take"] == [("postgres", "take"), ("redis", "take")]
    assert taken.index(("redis", "take")) < taken.index(("postgres", "raise_fence"))
    assert [call for call in log if call[1] == "release"] == [("redis", "release"), ("postgres", "release")]


async def test_the_fence_is_one_above_the_highest_of_all_stores_and_written_to_each() -> None:
    postgres, redis = MemoryLease("postgres"), MemoryLease("redis")
    await postgres.raise_fence(7)  # a wiped Redis knows nothing of it

    async with _holding([postgres, redis]) as held:
        assert held.fence == 8
        assert (await postgres.fence(), await redis.fence()) == (8, 8)


async def test_of_two_runs_that_share_one_store_one_waits() -> None:
    shared, alone = MemoryLease("postgres"), MemoryLease("redis")
    waits: list[Holder] = []

    async with _holding([shared, alone]):
        with pytest.raises(LockHeld, match="postgres is held by"):
            async with _holding([shared], waits=waits):
                pass

    async with _holding([shared]) as held:
        assert held.fence == 2


async def test_a_lock_that_cannot_be_had_leaves_none_taken() -> None:
    free, taken = MemoryLease("postgres"), MemoryLease("redis")
    await taken.take(OTHER)

    with pytest.raises(LockHeld):
        async with _holding([free, taken]):
            pass

    assert free.token is None


async def test_a_follower_waits_and_goes_on_when_the_holder_ends() -> None:
    lease = MemoryLease()
    await lease.take(OTHER)
    heard = asyncio.Event()

    async def follow() -> int:
        owner = this_process()
        async with acquired([lease], owner, lock_seconds=None, waiting=lambda _: heard.set(), timings=QUICK) as held:
            return held.fence

    following = asyncio.create_task(follow())
    async with asyncio.timeout(5):
        await heard.wait()
        await lease.release(OTHER)
        assert await following == 1


async def test_progress_travels_with_the_heartbeat_and_steering_comes_back() -> None:
    lease = MemoryLease()
    progress = Progress(store="memory", migration="m", done=5)

    async with _holding([lease]) as held:
        held.progress = progress
        await lease.steer(SteeringChange(paused=True))
        await _beaten(held, lease, 2)

        holder = await lease.holder()
        assert holder is not None
        assert holder.progress == progress
        assert held.steering.paused


async def test_a_revoked_lease_stops_its_holder() -> None:
    postgres, redis = MemoryLease("postgres"), MemoryLease("redis")

    async with _holding([postgres, redis]) as held:
        held.check()
        await postgres.revoke()
        await _beaten(held, redis, 2)

        with pytest.raises(LeaseLost, match="revoked or taken over in postgres"):
            held.check()


async def test_silence_stops_the_holder_before_another_could_take_over() -> None:
    lease = MemoryLease()

    async with _holding([lease]) as held, asyncio.timeout(5):
        lease.away = True
        with pytest.raises(LeaseLost, match="no heartbeat got through"):
            await _work(held)


async def test_a_lease_that_is_asked_about_is_known_at_once_to_be_lost() -> None:
    lease = MemoryLease()

    async with _holding([lease]) as held:
        await held.confirm()
        await lease.revoke()

        with pytest.raises(LeaseLost, match="revoked or taken over in memory"):
            await held.confirm()


async def test_a_store_that_does_not_say_confirms_nothing() -> None:
    lease = MemoryLease()

    async with _holding([lease]) as held:
        lease.away = True

        with pytest.raises(Unreachable, match="memory is away"):
            await held.confirm()


async def test_a_revocation_in_one_store_is_heard_while_another_is_away() -> None:
    postgres, redis = MemoryLease("postgres"), MemoryLease("redis")

    async with _holding([postgres, redis]) as held:
        postgres.away = True
        await redis.revoke()
        await held.beat()

        with pytest.raises(LeaseLost, match="taken over in redis"):
            held.check()


async def test_a_store_that_refuses_a_heartbeat_is_asked_again_and_named_if_it_goes_on() -> None:
    lease = MemoryLease()

    async with _holding([lease]) as held, asyncio.timeout(5):
        lease.refuses = True
        await held.beat()
        lease.refuses = False
        await _beaten(held, lease, 2)
        held.check()

        lease.refuses = True
        with pytest.raises(LeaseLost, match=r"no heartbeat got through for \d+ s \(memory is full\)"):
            await _work(held)
        lease.refuses = False


async def test_a_short_silence_is_forgiven() -> None:
    lease = MemoryLease()

    async with _holding([lease]) as held:
        lease.away = True
        await held.beat()
        lease.away = False
        await held.beat()

        held.check()


async def test_a_release_that_fails_does_not_hide_the_error_of_the_run() -> None:
    lease = MemoryLease()

    async def run() -> None:
        async with _holding([lease]):
            lease.away = True
            raise ValueError("the real one")

    with pytest.raises(ValueError, match="the real one"):
        await run()


async def test_an_unreachable_store_ends_the_attempt_and_frees_the_others() -> None:
    reachable, away = MemoryLease("postgres"), MemoryLease("redis")
    away.away = True

    with pytest.raises(Unreachable):
        async with _holding([reachable, away]):
            pass

    assert reachable.token is None
