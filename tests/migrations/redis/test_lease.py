"""What is special about the lock in Redis: it is shared with the original tool."""

from collections.abc import AsyncIterator

import pytest

from outpost.clients.redis import RedisClient, RedisOptions
from outpost.migrations.errors import Refused, Unreachable
from outpost.migrations.lease import Timings
from outpost.migrations.owner import this_process
from outpost.migrations.redis.lease import RedisLease
from outpost.migrations.steering import Steering, SteeringChange
from tests.support.servers.redis import RedisServer

LOCK = ".outpost:migration_lock"
STEERING = "outpost:migrate:steering"


@pytest.fixture
async def lease(redis_server: RedisServer) -> AsyncIterator[RedisLease]:
    async with RedisClient(RedisOptions(host=redis_server.host, port=redis_server.port)) as redis:
        yield RedisLease(redis, prefix="", timings=Timings())


async def test_the_original_tool_is_waited_for_and_never_taken_over(
    lease: RedisLease, redis_server: RedisServer
) -> None:
    redis_server.command("SET", LOCK, "a" * 40, "PX", 3_600_000)

    holder = await lease.holder()

    assert holder is not None
    assert holder.foreign
    assert holder.alive
    assert holder.expires_in_seconds == pytest.approx(3600, abs=5)
    assert not await lease.take("b" * 40)
    redis_server.command("DEL", LOCK)
    assert await lease.take("b" * 40)


async def test_the_original_tool_finds_our_lock_under_its_key(lease: RedisLease, redis_server: RedisServer) -> None:
    owner = this_process()
    await lease.take(owner.token)
    await lease.introduce(owner, 1)

    assert redis_server.command("SET", LOCK, "c" * 40, "NX", "PX", 3_600_000) is None
    assert 3_500_000 < redis_server.command("PTTL", LOCK) <= 3_600_000


async def test_a_process_that_dies_before_it_introduced_itself_blocks_for_seconds_not_an_hour(
    lease: RedisLease, redis_server: RedisServer
) -> None:
    await lease.take(this_process().token)

    assert redis_server.command("PTTL", LOCK) <= 90_000


async def test_a_suspended_owner_with_an_older_fence_overwrites_nobody(
    lease: RedisLease, redis_server: RedisServer
) -> None:
    newer, older = this_process(), this_process()
    await lease.take(newer.token)
    await lease.introduce(newer, 8)
    redis_server.command("SET", LOCK, older.token)

    assert not await lease.introduce(older, 7)

    assert redis_server.command("HGET", f"{LOCK}:owner", "value") == newer.token.encode()


async def test_the_token_is_not_shown_in_the_owner(lease: RedisLease, redis_server: RedisServer) -> None:
    owner = this_process()
    await lease.take(owner.token)
    await lease.introduce(owner, 1)

    assert owner.token.encode() not in redis_server.command("HGET", f"{LOCK}:owner", "owner")


async def test_what_is_asked_outlasts_an_hour_as_long_as_the_run_lives(
    lease: RedisLease, redis_server: RedisServer
) -> None:
    owner = this_process()
    await lease.take(owner.token)
    await lease.introduce(owner, 1)
    await lease.steer(SteeringChange(paused=True))
    redis_server.command("PEXPIRE", STEERING, 60_000)

    assert await lease.beat(owner.token, None) == Steering(paused=True)

    assert redis_server.command("PTTL", STEERING) > 3_500_000


async def test_word_for_a_holder_that_has_gone_does_not_replace_word_for_its_successor(
    lease: RedisLease, redis_server: RedisServer
) -> None:
    older, newer = this_process(), this_process()
    await lease.take(newer.token)
    await lease.introduce(newer, 8)
    await lease.steer(SteeringChange(paused=True))
    # As one sees it who read the lock before it changed hands.
    redis_server.command("SET", LOCK, older.token)
    redis_server.command("HSET", f"{LOCK}:owner", "value", older.token, "fence", 7)

    assert await lease.steer(SteeringChange(max_latency_ms=2)) is None

    redis_server.command("SET", LOCK, newer.token)
    assert await lease.beat(newer.token, None) == Steering(paused=True)


async def test_the_original_tool_cannot_be_told(lease: RedisLease, redis_server: RedisServer) -> None:
    redis_server.command("SET", LOCK, "a" * 40, "PX", 3_600_000)

    assert await lease.steer(SteeringChange(paused=True)) is None
    assert redis_server.command("EXISTS", STEERING) == 0


async def test_a_store_that_is_away_is_unreachable(redis_server: RedisServer) -> None:
    options = RedisOptions(host=redis_server.host, port=1, connect_timeout=1)
    async with RedisClient(options) as redis:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
            await RedisLease(redis, prefix="", timings=Timings()).take("a" * 40)


async def test_a_wrong_password_is_refused_with_what_to_set(redis_password_server: RedisServer) -> None:
    options = RedisOptions(host=redis_password_server.host, port=redis_password_server.port, password="not-it")
    async with RedisClient(options) as redis:
        with pytest.raises((Refused, Unreachable)) as failure:
            await RedisLease(redis, prefix="", timings=Timings()).holder()

    assert "not-it" not in str(failure.value)
