"""Events and attempts in the reference's tables of a ClickHouse database.

    <deployment>_events      (event_time, event_id) ────── the key; tenant_id, topic, data, matched_destination_ids, ...
    <deployment>_attempts    (attempt_time, attempt_id) ── the key; destination_id, status, response_data, ..., and a
                             copy of its event, all but the matched destinations

Instants are kept to the millisecond. Rows with the same key are one row, and the server makes them one when it merges.
The tables hold no tasks.
"""

from collections.abc import Sequence
from datetime import datetime

from outpost.clients.clickhouse import ClickHouse
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, LoggedAttempt
from outpost.ports.paging import Page
from outpost.stores.clickhouse_errors import store_errors
from outpost.stores.clickhouse_paging import fetch_page
from outpost.stores.clickhouse_query import Statement, select
from outpost.stores.log import clickhouse_attempts, clickhouse_events, clickhouse_expiry
from outpost.stores.log.clickhouse_attempts import AttemptRow
from outpost.stores.log.clickhouse_events import EventRow, MatchRow
from outpost.stores.log.clickhouse_tables import tables_of
from outpost.stores.page_rows import PAGE_BYTES


class ClickHouseLogStore:
    """`LogStore` over a client.

    Two tenants' events of the same id and millisecond share a key, which the first has: the second is missing in the
    list of events. It is found by its id, and in the lists of attempts.
    """

    def __init__(self, clickhouse: ClickHouse, *, deployment_id: str = "", page_bytes: int = PAGE_BYTES) -> None:
        """Make a store; nothing is sent.

        Args:
            deployment_id: Comes before the names of the tables.
            page_bytes: Most that the rows of a page may take as JSON; a page that would take more is cut short.
        """
        self._clickhouse = clickhouse
        self._tables = tables_of(deployment_id)
        self._page_bytes = page_bytes

    async def event(self, event_id: EventId, *, tenant_id: TenantId | None = None) -> Event | None:
        with store_errors():
            for statement in clickhouse_events.newest(self._tables, event_id, tenant_id):
                if rows := await select(self._clickhouse, statement, EventRow):
                    return clickhouse_events.from_row(rows[0])
        return None

    async def events(self, query: EventQuery) -> Page[Event]:
        wanted = clickhouse_events.page(self._tables, query)
        with store_errors():
            page = await fetch_page(self._clickhouse, wanted, query.page, max_bytes=self._page_bytes)
        return Page(items=[clickhouse_events.from_row(row) for row in page.items], more=page.more)

    async def attempt(self, attempt_id: AttemptId, *, tenant_id: TenantId | None = None) -> LoggedAttempt | None:
        return await self._one_attempt(clickhouse_attempts.by_id(self._tables, attempt_id, tenant_id))

    async def attempts(self, query: AttemptQuery) -> Page[LoggedAttempt]:
        wanted = clickhouse_attempts.page(self._tables, query)
        with store_errors():
            page = await fetch_page(self._clickhouse, wanted, query.page, max_bytes=self._page_bytes)
            return Page(items=await self._with_matches(page.items), more=page.more)

    async def latest_attempt(
        self, event_id: EventId, destination_id: DestinationId, *, tenant_id: TenantId | None = None
    ) -> LoggedAttempt | None:
        return await self._one_attempt(clickhouse_attempts.latest(self._tables, event_id, destination_id, tenant_id))

    async def delete_before(self, instant: datetime, *, limit: int) -> int:
        """As the port says; an attempt that has no event counts as an event of its own.

        Each call rewrites parts of the tables. What expires day by day is the business of `ClickHouseRetention`.
        """
        with store_errors():
            return await clickhouse_expiry.delete(self._clickhouse, self._tables, instant, limit)

    async def _one_attempt(self, statement: Statement) -> LoggedAttempt | None:
        with store_errors():
            logged = await self._with_matches(await select(self._clickhouse, statement, AttemptRow))
        return logged[0] if logged else None

    async def _with_matches(self, rows: Sequence[AttemptRow]) -> list[LoggedAttempt]:
        if not rows:
            return []
        keys = sorted({(row.event_milliseconds, row.event_id) for row in rows})
        matches = await select(self._clickhouse, clickhouse_events.matches(self._tables, keys), MatchRow)
        return clickhouse_attempts.from_rows(rows, matches)
