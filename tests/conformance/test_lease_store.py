"""The locks of the stores keep their promises."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from outpost.clients.postgres import Target
from outpost.clients.redis import Redis, RedisClient, RedisCluster, RedisOptions
from outpost.conformance.lease_store import LeaseHarness, LeaseStoreConformance
from outpost.migrations.lease import Timings
from outpost.migrations.redis.lease import RedisLease
from outpost.migrations.sql.postgres.database import Database
from outpost.migrations.sql.postgres.lease import PostgresLease
from outpost.migrations.sql.sqlite.dialect import sqlite_line
from tests.support.leases import MemoryLease
from tests.support.servers.redis import RedisServer, RedisServerCluster


class TestMemoryLease(LeaseStoreConformance):
    @pytest.fixture
    def harness(self) -> LeaseHarness:
        lease = MemoryLease()

        async def age(seconds: float) -> None:
            lease.clock += seconds

        return LeaseHarness(lease=lease, other=lease, age=age)


class TestSQLiteLease(LeaseStoreConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> LeaseHarness:
        path = tmp_path / "outpost.db"
        lease, other = sqlite_line(path).lease, sqlite_line(path).lease
        assert lease is not None
        assert other is not None

        async def age(seconds: float) -> None:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE outpost_migration_lease SET heartbeat_at = heartbeat_at - ?", (seconds,))

        return LeaseHarness(lease=lease, other=other, age=age)


class TestPostgresLease(LeaseStoreConformance):
    @pytest.fixture
    async def harness(self, postgres_url: str) -> AsyncIterator[LeaseHarness]:
        database = Database(Target.parse(postgres_url))

        async def age(seconds: float) -> None:
            async with database.connected() as connection:
                statement = "UPDATE outpost_migration_lease SET heartbeat_at = heartbeat_at - make_interval(secs => $1)"
                await connection.execute(statement, seconds)

        lease, other = (PostgresLease(database, Timings()) for _ in range(2))
        yield LeaseHarness(lease=lease, other=other, age=age)
        await lease.close()
        await other.close()


def _redis_harness(redis: Redis) -> LeaseHarness:
    async def age(seconds: float) -> None:
        key = "dp_1:.outpost:migration_lock:owner"
        await redis.command("HINCRBYFLOAT", key, "heartbeat", -seconds)

    lease, other = (RedisLease(redis, prefix="dp_1:", timings=Timings()) for _ in range(2))
    return LeaseHarness(lease=lease, other=other, age=age)


class TestRedisLease(LeaseStoreConformance):
    @pytest.fixture
    async def harness(self, redis_server: RedisServer) -> AsyncIterator[LeaseHarness]:
        async with RedisClient(RedisOptions(host=redis_server.host, port=redis_server.port)) as redis:
            yield _redis_harness(redis)


class TestRedisClusterLease(LeaseStoreConformance):
    @pytest.fixture
    async def harness(self, redis_cluster: RedisServerCluster) -> AsyncIterator[LeaseHarness]:
        node = redis_cluster.nodes[0]
        async with RedisCluster(RedisOptions(host=node.host, port=node.port)) as redis:
            yield _redis_harness(redis)
