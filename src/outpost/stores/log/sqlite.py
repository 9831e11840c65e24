"""Events and attempts in a SQLite file, as a ledger in the same file wrote them."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from outpost.clients.sqlite import Database
from outpost.codec import to_microseconds
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, LoggedAttempt
from outpost.ports.paging import Page
from outpost.stores.log import sqlite_attempts, sqlite_events, sqlite_expiry
from outpost.stores.page_rows import PAGE_BYTES
from outpost.stores.sqlite_errors import store_errors

T = TypeVar("T")

_EVENTS_PER_TRANSACTION = 100
"""Deleting shares the writer with accepting and delivering, which must not wait long for it."""


class SQLiteLogStore:
    """`LogStore` over an open database."""

    def __init__(self, database: Database, *, page_bytes: int = PAGE_BYTES) -> None:
        """Args:
        page_bytes: Most of one page.
        """
        self._database = database
        self._page_bytes = page_bytes

    async def event(self, event_id: EventId, *, tenant_id: TenantId | None = None) -> Event | None:
        return await self._read(lambda connection: sqlite_events.newest(connection, event_id, tenant_id))

    async def events(self, query: EventQuery) -> Page[Event]:
        return await self._read(lambda connection: sqlite_events.page(connection, query, self._page_bytes))

    async def attempt(self, attempt_id: AttemptId, *, tenant_id: TenantId | None = None) -> LoggedAttempt | None:
        return await self._read(lambda connection: sqlite_attempts.by_id(connection, attempt_id, tenant_id))

    async def attempts(self, query: AttemptQuery) -> Page[LoggedAttempt]:
        return await self._read(lambda connection: sqlite_attempts.page(connection, query, self._page_bytes))

    async def latest_attempt(
        self, event_id: EventId, destination_id: DestinationId, *, tenant_id: TenantId | None = None
    ) -> LoggedAttempt | None:
        return await self._read(
            lambda connection: sqlite_attempts.latest(connection, event_id, destination_id, tenant_id)
        )

    async def delete_before(self, instant: datetime, *, limit: int) -> int:
        before = to_microseconds(instant)
        deleted = 0
        while deleted < limit:
            wanted = limit - deleted
            keys = await self._read(lambda connection, wanted=wanted: sqlite_expiry.expired(connection, before, wanted))
            for start in range(0, len(keys), _EVENTS_PER_TRANSACTION):
                deleted += await self._delete(keys[start : start + _EVENTS_PER_TRANSACTION], before)
            if len(keys) < wanted:
                break
        return deleted

    async def _delete(self, keys: Sequence[int], before: int) -> int:
        with store_errors():
            return await self._database.write(
                lambda connection: sqlite_expiry.delete(connection, keys, before), is_long=True
            )

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        with store_errors():
            return await self._database.read(query)
