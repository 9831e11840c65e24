"""Real servers, and Outposts that are shared by the tests of a module, each of which has tenants of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.distributed import Stores, StoreServers
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitMQServer
from tests.support.receiver import Receiver
from tests.support.servers.redis import RedisServer


@pytest.fixture(scope="session")
def store_servers(
    rabbitmq: RabbitMQServer, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StoreServers]:
    redis = RedisServer(tmp_path_factory.mktemp("redis"), settings={"databases": "64"})
    redis.start()
    with rabbitmq.fresh_virtual_host() as broker_url:
        yield StoreServers(redis, broker_url, postgres)
    redis.stop()


@pytest.fixture
def stores(store_servers: StoreServers) -> Iterator[Stores]:
    """Stores of this test's own."""
    with store_servers.fresh_stores() as stores:
        yield stores


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver in the event loop that the tests of a module share."""
    async with Receiver() as receiver:
        yield receiver
