"""What is special to claims in Redis: their bytes, the original program beside us, and trouble of the server."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from outpost.clients.redis import Redis, RedisClient, RedisOptions
from outpost.domain.errors import StoreUnavailable
from outpost.domain.identifiers import DestinationId, EventId
from outpost.ports.claims import ClaimKey, ClaimState
from outpost.stores.claims.keys import delivery_key, publish_key
from outpost.stores.claims.redis import RedisClaims
from tests.support.builders import TENANT
from tests.support.servers.redis import RedisServer

PUBLISH = publish_key(TENANT, EventId("evt_1"), scope="deployment")
DELIVERY = delivery_key(TENANT, EventId("evt_1"), DestinationId("des_1"), 1, scope="deployment")
HOLD, REMEMBER = timedelta(seconds=5), timedelta(hours=1)


@pytest.fixture
def claims(redis: Redis) -> RedisClaims:
    return RedisClaims(redis, prefix="dp_001:")


async def test_a_claim_is_written_as_the_original_writes_it(claims: RedisClaims, redis: Redis) -> None:
    await claims.claim_many([PUBLISH, DELIVERY], hold=HOLD)
    for name in ("dp_001:idempotency:publishmq:evt_1", "dp_001:idempotency:deliverymq:evt_1:des_1:1"):
        assert await redis.command("GET", name) == b"processing"
        assert 4000 < await redis.command("PTTL", name) <= 5000

    await claims.finish_many([PUBLISH, DELIVERY], remember=REMEMBER)
    for name in ("dp_001:idempotency:publishmq:evt_1", "dp_001:idempotency:deliverymq:evt_1:des_1:1"):
        assert await redis.command("GET", name) == b"processed"
        assert 3_599_000 < await redis.command("PTTL", name) <= 3_600_000


async def test_claims_of_the_original_keep_us_out_and_ours_keep_it_out(claims: RedisClaims, redis: Redis) -> None:
    name = "dp_001:idempotency:publishmq:evt_1"
    assert await redis.command("SET", name, "processing", "NX", "EX", 5) == b"OK"
    assert await claims.claim_many([PUBLISH], hold=HOLD) == [ClaimState.HELD]
    await redis.command("SET", name, "processed", "EX", 3600)
    assert await claims.claim_many([PUBLISH], hold=HOLD) == [ClaimState.DONE]

    await redis.command("DEL", name)
    assert await claims.claim_many([PUBLISH], hold=HOLD) == [ClaimState.WON]
    assert await redis.command("SET", name, "processing", "NX", "EX", 5) is None
    await claims.release_many([PUBLISH])
    assert await redis.command("SET", name, "processing", "NX", "EX", 5) == b"OK"


async def test_a_value_that_nobody_knows_counts_as_held(claims: RedisClaims, redis: Redis) -> None:
    await redis.command("SET", "dp_001:idempotency:publishmq:evt_1", "maybe")

    assert await claims.claim_many([PUBLISH], hold=HOLD) == [ClaimState.HELD]
    await claims.release_many([PUBLISH])

    assert await redis.command("GET", "dp_001:idempotency:publishmq:evt_1") == b"maybe"


async def test_only_claims_that_were_lost_cost_a_second_command(single: Redis, redis_server: RedisServer) -> None:
    claims = RedisClaims(single)
    keys = [ClaimKey(f"key {number}") for number in range(50)]
    await claims.claim_many(keys[:3], hold=HOLD)
    redis_server.command("CONFIG", "RESETSTAT")

    await claims.claim_many(keys, hold=HOLD)

    stats = redis_server.command("INFO", "commandstats").decode()
    assert "cmdstat_set:calls=50," in stats
    assert "cmdstat_get:calls=3," in stats


async def test_forgotten_scripts_have_no_effect(claims: RedisClaims, redis: Redis) -> None:
    for _ in range(2):
        for node in await redis.nodes():
            await node.command("SCRIPT", "FLUSH")
        assert await claims.claim_many([PUBLISH, DELIVERY], hold=HOLD) == [ClaimState.WON, ClaimState.WON]
        await claims.release_many([PUBLISH, DELIVERY])


async def test_without_a_server_every_call_says_that_the_store_is_unavailable(
    new_redis_server: Callable[..., RedisServer],
) -> None:
    server = new_redis_server()
    async with RedisClient(RedisOptions(port=server.port)) as redis:
        claims = RedisClaims(redis)
        await claims.claim_many([PUBLISH], hold=HOLD)
        server.kill()

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: claims.claim_many([PUBLISH, DELIVERY], hold=HOLD),
            lambda: claims.finish_many([PUBLISH, DELIVERY], remember=REMEMBER),
            lambda: claims.release_many([PUBLISH, DELIVERY]),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable, match="Redis is not available"):
                await call()
