"""A Redis of either form for tests of the line."""

import pytest

from tests.support.redis_store import RedisStore


@pytest.fixture(params=["single", "cluster"])
def store(request: pytest.FixtureRequest) -> RedisStore:
    """A Redis without keys: once a single server, once a cluster."""
    return RedisStore(request.getfixturevalue("redis_server" if request.param == "single" else "redis_cluster"))


@pytest.fixture
def single(request: pytest.FixtureRequest) -> RedisStore:
    return RedisStore(request.getfixturevalue("redis_server"))


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> RedisStore:
    return RedisStore(request.getfixturevalue("redis_cluster"))
