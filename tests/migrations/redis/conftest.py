"""A Redis of either form, and processes that migrate it, for tests of the line."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.migrations.redis.disturbance import NODE_PASS
from tests.support.process import OutpostProcess
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


@pytest.fixture
async def outpost(tmp_path: Path) -> AsyncIterator[OutpostProcess]:
    async with OutpostProcess(tmp_path) as outpost:
        yield outpost


@pytest.fixture
def many_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a small store have a middle, and a run look up from its work often."""
    for name in ("_FEWEST", "_MOST"):
        monkeypatch.setattr(f"outpost.clients.redis.scan.{name}", 50)
    for name, value in (("_PAUSE", 0.02), ("_HEALTH_EVERY", 0.0)):
        monkeypatch.setattr(f"{NODE_PASS}.{name}", value)
