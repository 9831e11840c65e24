"""The ledgers keep their port's promises."""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from outpost.clients.sqlite import Database
from outpost.conformance.ledger import START, LedgerConformance, LedgerHarness
from outpost.domain.attempt import Attempt
from outpost.domain.event import Event
from outpost.domain.retry_policy import RetryPolicy
from outpost.ports.log_store import AttemptQuery
from outpost.ports.paging import PageRequest
from outpost.stores.ledger.memory import MemoryLedger
from outpost.stores.ledger.sqlite import SQLiteLedger, open_ledger
from outpost.stores.log.sqlite import SQLiteLogStore
from tests.support.sqlite import fresh_database

_LIMIT = 200


class _Log:
    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def remember_event(self, event: Event) -> None: ...

    def remember_attempt(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)


class TestMemoryLedger(LedgerConformance):
    @pytest.fixture
    async def harness(self) -> LedgerHarness:
        log, now = _Log(), [START]
        ledger = MemoryLedger(log=log, clock=lambda: now[0], backlog_limit=_LIMIT)

        async def attempts(event_id: str) -> Sequence[Attempt]:
            return [attempt for attempt in log.attempts if attempt.event_id == event_id]

        async def dropped() -> dict[str, int]:
            return Counter(str(reason) for _, reason in ledger.dropped)

        return LedgerHarness(ledger=ledger, now=now, backlog_limit=_LIMIT, attempts=attempts, dropped=dropped)


class TestSQLiteLedger(LedgerConformance):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[LedgerHarness]:
        now = [START]
        async with fresh_database(tmp_path) as database:
            await database.write(_add_destinations)

            async def reopen() -> SQLiteLedger:
                return await open_ledger(
                    database,
                    clock=lambda: now[0],
                    duplicate_window=timedelta(hours=1),
                    backlog_limit=_LIMIT,
                    longest_wait=RetryPolicy().longest_wait,
                )

            async def dropped() -> dict[str, int]:
                counts = "SELECT reason, count(*) FROM dropped_tasks GROUP BY reason"
                return dict(await database.read(lambda connection: connection.execute(counts).fetchall()))

            yield LedgerHarness(
                ledger=await reopen(),
                now=now,
                backlog_limit=_LIMIT,
                attempts=lambda event_id: _attempts(database, event_id),
                dropped=dropped,
                restart=reopen,
            )


async def _attempts(database: Database, event_id: str) -> Sequence[Attempt]:
    query = AttemptQuery(page=PageRequest(limit=100, direction="asc"), event_ids=[event_id], tenant_ids=["acme"])
    page = await SQLiteLogStore(database).attempts(query)
    return sorted((logged.attempt for logged in page.items), key=lambda attempt: attempt.attempt_number)


def _add_destinations(connection: sqlite3.Connection) -> None:
    for tenant_key, tenant in enumerate(("acme", "umbrella"), start=1):
        connection.execute(
            "INSERT INTO tenants (key, id, metadata, created_at, updated_at) VALUES (?, ?, '{}', 0, 0)",
            (tenant_key, tenant),
        )
        for destination in ("des_1", "des_2"):
            connection.execute(
                "INSERT INTO destinations (tenant_key, id, type, topics, config, credentials, metadata, created_at, "
                "updated_at) VALUES (?, ?, 'webhook', '[\"*\"]', '{}', x'00', '{}', 0, 0)",
                (tenant_key, destination),
            )
