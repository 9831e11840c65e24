"""The drivers of the log store keep their port's promises."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from outpost.clients.postgres import Pool
from outpost.conformance.log_store import LogHarness, LogStoreConformance
from outpost.domain.attempt import Attempt
from outpost.domain.event import Event
from outpost.stores.log.clickhouse import ClickHouseLogStore
from outpost.stores.log.memory import MemoryLog, MemoryLogStore
from outpost.stores.log.postgres import PostgresLogStore
from outpost.stores.log.sqlite import SQLiteLogStore
from tests.support.clickhouse_log import ClickHouseLog
from tests.support.postgres_log import insert_event as insert_postgres_event
from tests.support.sqlite import fresh_database
from tests.support.sqlite_log import insert_event, insert_task


class TestMemoryLogStore(LogStoreConformance):
    @pytest.fixture
    def log(self) -> LogHarness:
        shelf = MemoryLog()
        owed: list[Event] = []

        async def record(event: Event, attempts: Sequence[Attempt]) -> None:
            shelf.remember_event(event)
            for attempt in attempts:
                shelf.remember_attempt(attempt)

        async def owe(event: Event) -> None:
            owed.append(event)

        store = MemoryLogStore(shelf, has_tasks=owed.__contains__)
        return LogHarness(store=store, record=record, owe=owe, cut_at=None)


class TestSQLiteLogStore(LogStoreConformance):
    @pytest.fixture
    async def log(self, tmp_path: Path) -> AsyncIterator[LogHarness]:
        async with fresh_database(tmp_path) as database:

            async def record(event: Event, attempts: Sequence[Attempt]) -> None:
                await database.write(lambda connection: insert_event(connection, event, attempts))

            async def owe(event: Event) -> None:
                await database.write(lambda connection: insert_task(connection, event))

            yield LogHarness(
                store=SQLiteLogStore(database),
                record=record,
                owe=owe,
                cut_at=lambda page_bytes: SQLiteLogStore(database, page_bytes=page_bytes),
            )


class TestPostgresLogStore(LogStoreConformance):
    @pytest.fixture
    async def log(self, postgres_log: Pool) -> LogHarness:
        async def record(event: Event, attempts: Sequence[Attempt]) -> None:
            await insert_postgres_event(postgres_log, event, attempts)

        return LogHarness(
            store=PostgresLogStore(postgres_log),
            record=record,
            owe=None,
            cut_at=lambda page_bytes: PostgresLogStore(postgres_log, page_bytes=page_bytes),
        )


class TestClickHouseLogStore(LogStoreConformance):
    @pytest.fixture
    async def log(self, clickhouse_log: ClickHouseLog) -> LogHarness:
        open_store = partial(ClickHouseLogStore, clickhouse_log.client, deployment_id=clickhouse_log.deployment_id)
        return LogHarness(
            store=open_store(),
            record=clickhouse_log.insert,
            owe=None,
            cut_at=lambda page_bytes: open_store(page_bytes=page_bytes),
            tick=timedelta(milliseconds=1),
        )
