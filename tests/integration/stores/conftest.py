"""Redis for the drivers that live in it."""

from collections.abc import AsyncIterator

import pytest

from outpost.clients.redis import Redis, RedisClient, RedisCluster, RedisOptions
from tests.support.servers.redis import RedisServer, RedisServerCluster


@pytest.fixture
async def single(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with RedisClient(RedisOptions(port=redis_server.port)) as redis:
        yield redis


@pytest.fixture
async def cluster(redis_cluster: RedisServerCluster) -> AsyncIterator[Redis]:
    async with RedisCluster(RedisOptions(port=redis_cluster.nodes[0].port)) as redis:
        yield redis


@pytest.fixture(params=["single", "cluster"])
def redis(request: pytest.FixtureRequest) -> Redis:
    """A single server and a cluster in turn."""
    return request.getfixturevalue(request.param)
