"""The drivers of the tenant store keep their port's promises."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outpost.conformance.tenant_store import TenantRecordsConformance
from outpost.ports.tenant_store import TenantRecords
from outpost.stores.tenant.memory import MemoryTenantRecords
from outpost.stores.tenant.sqlite import SQLiteTenantRecords
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
