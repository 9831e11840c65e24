"""The drivers of the tenant store keep their port's promises."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from outpost.clients.redis import RedisClient, RedisCluster, RedisOptions
from outpost.conformance.builders import START, a_record
from outpost.conformance.tenant_store import OTHER, TenantRecordsConformance
from outpost.ports.tenant_store import TenantRecords
from outpost.stores.tenant.memory import MemoryTenantRecords
from outpost.stores.tenant.redis import RedisTenantRecords
from outpost.stores.tenant.sqlite import SQLiteTenantRecords
from tests.support.servers.redis import RedisServer, RedisServerCluster
from tests.support.sqlite import fresh_database


class TestMemoryTenantRecords(TenantRecordsConformance):
    @pytest.fixture
    def records(self) -> TenantRecords:
        return MemoryTenantRecords()


class TestSQLiteTenantRecords(TenantRecordsConformance):
    @pytest.fixture
    async def records(self, tmp_path: Path) -> AsyncIterator[TenantRecords]:
        async with fresh_database(tmp_path) as database:
            yield SQLiteTenantRecords(database)


class TestSQLiteTenantRecordsWithoutMemory(TenantRecordsConformance):
    """Everything holds as well when each read comes from the file."""

    @pytest.fixture
    async def records(self, tmp_path: Path) -> AsyncIterator[TenantRecords]:
        async with fresh_database(tmp_path) as database:
            yield SQLiteTenantRecords(database, tenants_in_memory=0)


class TestRedisTenantRecords(TenantRecordsConformance):
    @pytest.fixture
    async def records(self, redis_server: RedisServer) -> AsyncIterator[TenantRecords]:
        async with RedisClient(RedisOptions(port=redis_server.port)) as redis:
            yield RedisTenantRecords(redis)


class TestRedisTenantRecordsOfADeployment(TenantRecordsConformance):
    """Everything holds as well beside another deployment, without memory, and when each list begins with a scan."""

    @pytest.fixture
    async def records(self, redis_server: RedisServer) -> AsyncIterator[TenantRecords]:
        async with RedisClient(RedisOptions(port=redis_server.port)) as redis:
            other = RedisTenantRecords(redis, prefix="dp_001:")
            await other.put_tenant(OTHER, {"of": "another deployment"}, now=START)
            await other.add_record(a_record(tenant_id=OTHER), limit=20)
            yield RedisTenantRecords(redis, prefix="dp_[*]:", tenants_in_memory=0, rescan_after=timedelta())


class TestRedisClusterTenantRecords(TenantRecordsConformance):
    @pytest.fixture
    async def records(self, redis_cluster: RedisServerCluster) -> AsyncIterator[TenantRecords]:
        async with RedisCluster(RedisOptions(port=redis_cluster.nodes[0].port)) as redis:
            yield RedisTenantRecords(redis)
