"""The tables of a log in a ClickHouse database, as migrations leave them, and rows written straight into them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from outpost.clients.clickhouse import ClickHouse
from outpost.clients.http import HttpClient
from outpost.codec import cut_to_milliseconds, write_string_map
from outpost.domain.attempt import Attempt
from outpost.domain.event import Event
from outpost.wiring.clickhouse import http_transport
from tests.support.clickhouse import ClickHouseDatabase
from tests.support.clickhouse_line import line_under_test


@dataclass(frozen=True)
class ClickHouseLog:
    """A client for a database, and the deployment whose tables are meant."""

    client: ClickHouse
    deployment_id: str = ""

    async def execute(self, statement: str) -> None:
        """Run a statement, in which `$` stands before the name of each table."""
        await self.client.execute(self._named(statement))

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        found = await self.client.select(self._named(query), row=dict[str, Any])
        return [tuple(row.values()) for row in found]

    async def insert(self, event: Event, attempts: Sequence[Attempt] = ()) -> None:
        """Insert an event and attempts made for it, each as one row."""
        of_event = {
            "event_id": event.id,
            "tenant_id": event.tenant_id,
            "topic": event.topic,
            "eligible_for_retry": event.eligible_for_retry,
            "event_time": cut_to_milliseconds(event.time),
            "metadata": write_string_map(event.metadata),
            "data": event.data.decode(),
        }
        await self.client.insert(
            self._named("`$events`"), [of_event | {"matched_destination_ids": event.matched_destination_ids}]
        )
        await self.client.insert(
            self._named("`$attempts`"),
            [
                of_event
                | {
                    "attempt_id": attempt.id,
                    "tenant_id": attempt.tenant_id,
                    "event_id": attempt.event_id,
                    "destination_id": attempt.destination_id,
                    "destination_type": attempt.destination_type,
                    "attempt_number": attempt.attempt_number,
                    "manual": attempt.manual,
                    "status": attempt.status,
                    "attempt_time": cut_to_milliseconds(attempt.time),
                    "code": attempt.code,
                    "response_data": "null" if attempt.response_data is None else attempt.response_data.decode(),
                }
                for attempt in attempts
            ],
        )

    async def empty(self) -> None:
        for table in ("events", "attempts"):
            await self.execute(f"TRUNCATE TABLE `${table}`")

    def _named(self, statement: str) -> str:
        return statement.replace("$", f"{self.deployment_id}_" if self.deployment_id else "")


async def migrate(database: ClickHouseDatabase, deployment_id: str) -> None:
    async with line_under_test(database, deployment_id=deployment_id) as line:
        await line.apply()


@asynccontextmanager
async def opened(
    database: ClickHouseDatabase, deployment_id: str = "", *, password: str | None = None
) -> AsyncIterator[ClickHouseLog]:
    http = HttpClient()
    try:
        client = ClickHouse(
            http_transport(http),
            url=database.url,
            user=database.user,
            password=database.password if password is None else password,
            database=database.database,
        )
        yield ClickHouseLog(client, deployment_id)
    finally:
        await http.aclose()
