"""Servers that are alive, in Redis: by its clock, and only for a while."""

import pytest

from outpost.clients.redis import Redis, RedisClient, RedisOptions
from outpost.domain.errors import StoreUnavailable
from outpost.ports.presence import PresenceStore
from outpost.stores.presence.redis import RedisPresence

KEY = "dp_001:outpost:migrate:presence"


@pytest.fixture
def presence(redis: Redis) -> PresenceStore:
    return RedisPresence(redis, key=KEY)


async def _now(redis: Redis) -> int:
    return int((await redis.command("TIME", key=KEY))[0])


async def test_a_server_is_listed_with_the_time_of_redis_and_its_form(presence: PresenceStore, redis: Redis) -> None:
    before = await _now(redis)

    await presence.announce("api-1", 1)

    seconds, form = (await redis.command("HGET", KEY, "api-1")).split()
    assert before <= int(seconds) <= await _now(redis)
    assert form == b"1"


async def test_a_server_that_withdraws_leaves_the_others(presence: PresenceStore, redis: Redis) -> None:
    await presence.announce("api-1", 1)
    await presence.announce("api-2", 1)

    await presence.withdraw("api-1")

    assert await redis.command("HKEYS", KEY) == [b"api-2"]


async def test_what_was_not_repeated_for_an_hour_is_forgotten(presence: PresenceStore, redis: Redis) -> None:
    now = await _now(redis)
    await redis.command("HSET", KEY, "dead", f"{now - 3_700} 1", "quiet", f"{now - 600} 1", "odd", "no time")

    await presence.announce("api-1", 1)

    assert sorted(await redis.command("HKEYS", KEY)) == [b"api-1", b"quiet"]
    assert 0 < await redis.command("TTL", KEY) <= 3_600


async def test_a_redis_that_is_away_is_told_as_that() -> None:
    async with RedisClient(RedisOptions(port=1, connect_timeout=1)) as redis:
        with pytest.raises(StoreUnavailable):
            await RedisPresence(redis, key=KEY).announce("api-1", 1)
