"""Clients of real servers."""

from collections.abc import AsyncIterator

import pytest

from outpost.clients.redis import Redis, RedisClient, RedisCluster, RedisOptions
from tests.support.servers.redis import RedisServer, RedisServerCluster


@pytest.fixture
async def single(redis_server: RedisServer) -> AsyncIterator[RedisClient]:
    """A client of one server."""
    async with RedisClient(RedisOptions(port=redis_server.port)) as redis:
        yield redis


@pytest.fixture
async def cluster(redis_cluster: RedisServerCluster) -> AsyncIterator[RedisCluster]:
    """A client of a cluster that knows one node."""
    async with RedisCluster(RedisOptions(port=redis_cluster.nodes[0].port)) as redis:
        yield redis


@pytest.fixture(params=["single", "cluster"])
def redis(request: pytest.FixtureRequest) -> Redis:
    """Each of them in turn: callers need not know which."""
    client: RedisClient | RedisCluster = request.getfixturevalue(request.param)
    return client
