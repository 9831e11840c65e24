"""Reading events from the tables of a ClickHouse database."""

from collections.abc import Sequence

import msgspec

from outpost.codec import from_milliseconds, salvage_string_map
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.ports.log_store import EventQuery
from outpost.stores.clickhouse_paging import PageQuery
from outpost.stores.clickhouse_query import Conditions, Statement
from outpost.stores.clickhouse_values import Key, key_set
from outpost.stores.log.clickhouse_tables import Tables

_EVENT = """
SELECT event_id, tenant_id, topic, toUnixTimestamp64Milli(event_time) AS event_milliseconds, eligible_for_retry,
       metadata, data"""


class EventRow(msgspec.Struct, frozen=True):
    """What is read of an event."""

    event_id: EventId
    tenant_id: TenantId
    topic: str
    event_milliseconds: int
    eligible_for_retry: bool
    metadata: str
    data: str
    matched_destination_ids: tuple[DestinationId, ...]

    @property
    def key(self) -> Key:
        return self.event_milliseconds, self.event_id


class MatchRow(msgspec.Struct, frozen=True):
    """Whom an event matched."""

    event_id: EventId
    tenant_id: TenantId
    event_milliseconds: int
    matched_destination_ids: tuple[DestinationId, ...]


def newest(tables: Tables, event_id: EventId, tenant_id: TenantId | None) -> tuple[Statement, Statement]:
    """Return two queries for the newest event of an id, the second for when the first finds none.

    The reference leaves out an event's row if its first attempt is not logged before the second; the attempts know it.
    """
    conditions = Conditions()
    conditions.add_any_of("event_id", [event_id])
    conditions.add_any_of("tenant_id", None if tenant_id is None else [tenant_id])
    last = f" WHERE {conditions.sql}\n ORDER BY event_time DESC\n LIMIT 1"
    stored = f"{_EVENT}, matched_destination_ids\n  FROM {tables.events}\n{last}"
    attempted = f"{_EVENT}, [destination_id] AS matched_destination_ids\n  FROM {tables.attempts}\n{last}"
    return Statement(stored, conditions.parameters), Statement(attempted, conditions.parameters)


def page(tables: Tables, query: EventQuery) -> PageQuery[EventRow]:
    conditions = Conditions()
    conditions.add_any_of("event_id", query.ids)
    conditions.add_any_of("tenant_id", query.tenant_ids)
    conditions.add_any_of("topic", query.topics)
    conditions.add_overlap("matched_destination_ids", query.destination_ids)
    conditions.add_window("event_time", query.time)
    return PageQuery(
        select=f"{_EVENT}, matched_destination_ids\n  FROM {tables.events}",
        conditions=conditions,
        order=("event_time", "event_id"),
        row=EventRow,
    )


def matches(tables: Tables, keys: Sequence[Key]) -> Statement:
    """Return the query for whom the events of these keys matched."""
    return Statement(
        f"""
SELECT event_id, tenant_id, toUnixTimestamp64Milli(event_time) AS event_milliseconds, matched_destination_ids
  FROM {tables.events}
 WHERE (event_time, event_id) IN {key_set(keys)}""",
        {},
    )


def from_row(row: EventRow) -> Event:
    return Event(
        id=row.event_id,
        tenant_id=row.tenant_id,
        topic=row.topic,
        time=from_milliseconds(row.event_milliseconds),
        eligible_for_retry=row.eligible_for_retry,
        metadata=salvage_string_map(row.metadata or "{}"),
        data=row.data.encode(),
        matched_destination_ids=row.matched_destination_ids,
    )
