"""The locks of the stores keep their promises."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from outpost.conformance.lease_store import LeaseHarness, LeaseStoreConformance
from outpost.migrations.sql.sqlite.dialect import sqlite_line
from tests.support.leases import MemoryLease


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
