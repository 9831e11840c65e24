"""What the distributed profile is tried with."""

from collections.abc import AsyncIterator, Mapping

import pytest

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
