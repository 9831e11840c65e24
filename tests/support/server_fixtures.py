"""The servers that tests can ask for by name. Each is started once per test process, by the first test that asks."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from outpost.clients.postgres import Pool
from tests.support.clickhouse import ClickHouseDatabase, ClickHouseServer, running_clickhouse
from tests.support.clickhouse_log import ClickHouseLog, migrate
from tests.support.clickhouse_log import opened as opened_clickhouse
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.postgres_log import SCHEMA, execute, opened, restore
from tests.support.rabbitmq import RabbitMQServer, running_rabbitmq

DEPLOYMENTS = ["", "dp-1"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a database of this test's own, with user and password."""
    with postgres.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def _postgres_log_url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.fresh_database() as url:
        restore(url, SCHEMA)
        yield url


@pytest.fixture
async def postgres_log(_postgres_log_url: str) -> AsyncIterator[Pool]:
    """A pool on a database with the tables of a log, which are empty."""
    async with opened(_postgres_log_url) as pool:
        await execute(pool, "TRUNCATE events, attempts")
        yield pool


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[ClickHouseServer]:
    with running_clickhouse() as server:
        yield server


@pytest.fixture
def clickhouse_database(clickhouse: ClickHouseServer) -> Iterator[ClickHouseDatabase]:
    """A database of this test's own, and how to reach it."""
    with clickhouse.fresh_database() as database:
        yield database


@pytest.fixture(scope="session")
def _clickhouse_log_database(clickhouse: ClickHouseServer) -> Iterator[ClickHouseDatabase]:
    with clickhouse.fresh_database() as database:
        for deployment_id in DEPLOYMENTS:
            asyncio.run(migrate(database, deployment_id))
        yield database


@pytest.fixture(params=DEPLOYMENTS, ids=["no deployment", "a deployment"])
async def clickhouse_log(
    request: pytest.FixtureRequest, _clickhouse_log_database: ClickHouseDatabase
) -> AsyncIterator[ClickHouseLog]:
    """A client for a database with the migrated tables of a log, which are empty; with and without a prefix in turn."""
    async with opened_clickhouse(_clickhouse_log_database, request.param) as log:
        await log.empty()
        yield log


@pytest.fixture
async def own_clickhouse_log(clickhouse_database: ClickHouseDatabase) -> AsyncIterator[ClickHouseLog]:
    """The same without a prefix, in a database of the test's own, whose tables it may change."""
    await migrate(clickhouse_database, "")
    async with opened_clickhouse(clickhouse_database) as log:
        yield log


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQServer]:
    with running_rabbitmq() as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMQServer) -> Iterator[str]:
    """The URL of a virtual host of this test's own, with user and password."""
    with rabbitmq.fresh_virtual_host() as url:
        yield url
