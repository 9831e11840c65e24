"""The drivers of claims keep their port's promises."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from outpost.clients.redis import RedisClient, RedisCluster, RedisOptions
from outpost.conformance.builders import START
from outpost.conformance.claims import ONE, TWO, ClaimsConformance, ClaimsHarness
from outpost.stores.claims.memory import MemoryClaims
from outpost.stores.claims.redis import RedisClaims
from tests.support.clock import SetClock
from tests.support.redis_time import age_keys
from tests.support.servers.redis import RedisServer, RedisServerCluster


class TestMemoryClaims(ClaimsConformance):
    @pytest.fixture
    def harness(self) -> ClaimsHarness:
        clock = SetClock(START)
        claims = MemoryClaims(clock=clock)

        async def elapse(time: timedelta) -> None:
            clock.now += time

        return ClaimsHarness(claims=claims, other=claims, elapse=elapse)


class TestRedisClaims(ClaimsConformance):
    @pytest.fixture
    async def harness(self, redis_server: RedisServer) -> AsyncIterator[ClaimsHarness]:
        options = RedisOptions(port=redis_server.port)
        async with RedisClient(options) as one, RedisClient(options) as other:
            yield ClaimsHarness(RedisClaims(one), RedisClaims(other), aging([redis_server]))


class TestRedisClaimsOfADeployment(ClaimsConformance):
    """Everything holds as well beside another deployment."""

    @pytest.fixture
    async def harness(self, redis_server: RedisServer) -> AsyncIterator[ClaimsHarness]:
        options = RedisOptions(port=redis_server.port)
        async with RedisClient(options) as one, RedisClient(options) as other:
            elsewhere = RedisClaims(one, prefix="dp_002:")
            await elsewhere.claim_many([ONE, TWO], hold=timedelta(days=1))
            await elsewhere.finish_many([TWO], remember=timedelta(days=1))
            claims, same = RedisClaims(one, prefix="dp_001:"), RedisClaims(other, prefix="dp_001:")
            yield ClaimsHarness(claims, same, aging([redis_server]))


class TestRedisClusterClaims(ClaimsConformance):
    @pytest.fixture
    async def harness(self, redis_cluster: RedisServerCluster) -> AsyncIterator[ClaimsHarness]:
        options = RedisOptions(port=redis_cluster.nodes[0].port)
        async with RedisCluster(options) as one, RedisCluster(options) as other:
            yield ClaimsHarness(RedisClaims(one), RedisClaims(other), aging(redis_cluster.nodes))


def aging(nodes: Sequence[RedisServer]) -> Callable[[timedelta], Awaitable[None]]:
    async def elapse(time: timedelta) -> None:
        age_keys(nodes, time)

    return elapse
