"""Events and attempts in the reference's tables of a Postgres database.

    events     (time, id) ── the key; id, tenant_id, topic, data, metadata, matched_destination_ids, ...
    attempts   (time, id) ── the key; destination_id, status, response_data, ..., and a copy of its event, all but the
                             matched destinations

Both are partitioned by time. The tables hold no tasks, and partitions are the operator's: nothing here makes or drops
one.
"""

from datetime import datetime

from outpost.clients.postgres import Pool
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, LoggedAttempt
from outpost.ports.paging import Page
from outpost.stores.log import postgres_attempts, postgres_events, postgres_expiry
from outpost.stores.page_rows import PAGE_BYTES
from outpost.stores.postgres_errors import store_errors
from outpost.stores.postgres_paging import fetch_page


class PostgresLogStore:
    """`LogStore` over an open pool.

    Two tenants' events of the same id and microsecond share a key, which the first has: the second is missing in the
    list of events. It is found by its id, and in the lists of attempts.
    """

    def __init__(self, pool: Pool, *, page_bytes: int = PAGE_BYTES) -> None:
        """Args:
        page_bytes: Most of one page.
        """
        self._pool = pool
        self._page_bytes = page_bytes

    async def event(self, event_id: EventId, *, tenant_id: TenantId | None = None) -> Event | None:
        stored, attempted = postgres_events.newest(event_id, tenant_id)
        with store_errors():
            async with self._pool.connection() as connection:
                row = await connection.fetchrow(stored.sql, *stored.parameters)
                if row is None:
                    row = await connection.fetchrow(attempted.sql, *attempted.parameters)
        return None if row is None else postgres_events.from_row(row)

    async def events(self, query: EventQuery) -> Page[Event]:
        statement = postgres_events.page(query)
        with store_errors():
            async with self._pool.connection() as connection:
                rows = await fetch_page(connection, statement, query.page, max_bytes=self._page_bytes)
        return Page(items=[postgres_events.from_row(row) for row in rows.items], more=rows.more)

    async def attempt(self, attempt_id: AttemptId, *, tenant_id: TenantId | None = None) -> LoggedAttempt | None:
        statement = postgres_attempts.by_id(attempt_id, tenant_id)
        with store_errors():
            async with self._pool.connection() as connection:
                row = await connection.fetchrow(statement.sql, *statement.parameters)
        return None if row is None else postgres_attempts.from_row(row)

    async def attempts(self, query: AttemptQuery) -> Page[LoggedAttempt]:
        statement = postgres_attempts.page(query)
        with store_errors():
            async with self._pool.connection() as connection:
                rows = await fetch_page(connection, statement, query.page, max_bytes=self._page_bytes)
        return Page(items=[postgres_attempts.from_row(row) for row in rows.items], more=rows.more)

    async def latest_attempt(
        self, event_id: EventId, destination_id: DestinationId, *, tenant_id: TenantId | None = None
    ) -> LoggedAttempt | None:
        statement = postgres_attempts.latest(event_id, destination_id, tenant_id)
        with store_errors():
            async with self._pool.connection() as connection:
                row = await connection.fetchrow(statement.sql, *statement.parameters)
        return None if row is None else postgres_attempts.from_row(row)

    async def delete_before(self, instant: datetime, *, limit: int) -> int:
        """As the port says; an attempt that has no event counts as an event of its own."""
        with store_errors():
            async with self._pool.connection() as connection:
                return await postgres_expiry.delete(connection, instant, limit)
