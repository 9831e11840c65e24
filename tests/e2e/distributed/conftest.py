"""What the distributed profile is tried with."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.distributed.installation import Installation, upgraded
from tests.support.receiver import Receiver
from tests.support.servers.redis import RedisServer


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
def stores(redis_server: RedisServer, postgres_url: str, rabbitmq_url: str) -> Mapping[str, str]:
    """Settings of the stores of this test's own: Redis is emptied, database and virtual host are new."""
    return {
        "SQLITE_PATH": "",
        "REDIS_HOST": redis_server.host,
        "REDIS_PORT": str(redis_server.port),
        "POSTGRES_URL": postgres_url,
        "RABBITMQ_SERVER_URL": rabbitmq_url,
    }


@pytest.fixture(params=["v0.5.1", "v0.12.0", "v1.1.0"])
async def installation(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    stores: Mapping[str, str],
    redis_server: RedisServer,
    postgres_url: str,
) -> AsyncIterator[Installation]:
    """What each of these releases left, upgraded and served."""
    async with upgraded(request.param, tmp_path, stores, redis_server, postgres_url) as installation:
        yield installation
