"""The drivers of the log writer keep their port's promises."""

import pytest

from outpost.clients.postgres import Pool
from outpost.conformance.log_writer import LogWriterConformance, LogWriterHarness
from outpost.stores.log.memory import MemoryLog, MemoryLogStore, MemoryLogWriter
from outpost.stores.log.postgres import PostgresLogStore
from outpost.stores.log.postgres_writer import PostgresLogWriter


class TestMemoryLogWriter(LogWriterConformance):
    @pytest.fixture
    def log(self) -> LogWriterHarness:
        shelf = MemoryLog()
        return LogWriterHarness(writer=MemoryLogWriter(shelf), store=MemoryLogStore(shelf))


class TestPostgresLogWriter(LogWriterConformance):
    @pytest.fixture
    async def log(self, postgres_log: Pool) -> LogWriterHarness:
        return LogWriterHarness(writer=PostgresLogWriter(postgres_log), store=PostgresLogStore(postgres_log))
