"""The drivers of the log writer keep their port's promises."""

from datetime import timedelta

import pytest

from outpost.clients.postgres import Pool
from outpost.conformance.log_writer import LogWriterConformance, LogWriterHarness
from outpost.stores.log.clickhouse import ClickHouseLogStore
from outpost.stores.log.clickhouse_writer import ClickHouseLogWriter
from outpost.stores.log.memory import MemoryLog, MemoryLogStore, MemoryLogWriter
from outpost.stores.log.postgres import PostgresLogStore
from outpost.stores.log.postgres_writer import PostgresLogWriter
from tests.support.clickhouse_log import ClickHouseLog


class TestMemoryLogWriter(LogWriterConformance):
    @pytest.fixture
    def log(self) -> LogWriterHarness:
        shelf = MemoryLog()
        return LogWriterHarness(writer=MemoryLogWriter(shelf), store=MemoryLogStore(shelf))


class TestPostgresLogWriter(LogWriterConformance):
    @pytest.fixture
    async def log(self, postgres_log: Pool) -> LogWriterHarness:
        return LogWriterHarness(writer=PostgresLogWriter(postgres_log), store=PostgresLogStore(postgres_log))


class TestClickHouseLogWriter(LogWriterConformance):
    @pytest.fixture
    async def log(self, clickhouse_log: ClickHouseLog) -> LogWriterHarness:
        client, deployment_id = clickhouse_log.client, clickhouse_log.deployment_id
        return LogWriterHarness(
            writer=ClickHouseLogWriter(client, deployment_id=deployment_id),
            store=ClickHouseLogStore(client, deployment_id=deployment_id),
            tick=timedelta(milliseconds=1),
        )
