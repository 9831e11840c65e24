"""What keeps `serve` from starting, and how it says so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.distributed import Stores, StoreServers
from tests.support.postgres import PASSWORD
from tests.support.process import OutpostProcess
from tests.support.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def migrated(
    store_servers: StoreServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OutpostProcess]:
    """An Outpost that has migrated its stores, and at whose broker there is nothing yet."""
    with store_servers.fresh_stores() as stores:
        async with OutpostProcess(tmp_path_factory.mktemp("outpost"), stores=stores.settings) as outpost:
            await outpost.migrate()
            yield outpost


async def test_without_migrations_the_server_refuses_and_names_the_store(stores: Stores, tmp_path: Path) -> None:
    async with OutpostProcess(tmp_path, stores=stores.settings) as outpost:
        code, _, err = await outpost.run("serve")

        assert code == 10
        assert "postgres/000001_init" in err
        assert "outpost migrate apply" in err


async def test_a_broker_without_the_queues_is_not_touched_if_told_so(migrated: OutpostProcess) -> None:
    code, _, err = await migrated.run("serve", MQS_AUTO_PROVISION="false", RABBITMQ_DELIVERY_QUEUE="no-such-queue")

    assert code == 64
    assert "no-such-queue" in err
    assert "MQS_AUTO_PROVISION" in err


@pytest.mark.parametrize("setting", ["RABBITMQ_SERVER_URL", "REDIS_PORT", "POSTGRES_URL"])
async def test_a_server_that_is_away_at_the_start_is_named_without_its_password(
    migrated: OutpostProcess, setting: str
) -> None:
    nobody = str(free_port())
    gone = {
        "RABBITMQ_SERVER_URL": f"amqp://outpost:letmein@127.0.0.1:{nobody}/",
        "REDIS_PORT": nobody,
        "POSTGRES_URL": f"postgres://outpost:letmein@127.0.0.1:{nobody}/outpost",
    }

    code, _, err = await migrated.run("serve", **{setting: gone[setting]})

    assert code == 17
    assert nobody in err
    assert "letmein" not in err
    assert PASSWORD not in err
