"""Reading attempts, each with its event, from the tables of a ClickHouse database."""

from collections.abc import Mapping, Sequence

import msgspec

from outpost.codec import from_milliseconds, salvage_string_map
from outpost.domain.attempt import Attempt
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, LoggedAttempt
from outpost.stores.clickhouse_paging import PageQuery
from outpost.stores.clickhouse_query import Conditions, Statement
from outpost.stores.clickhouse_values import Key
from outpost.stores.log.clickhouse_events import MatchRow
from outpost.stores.log.clickhouse_tables import Tables

_ATTEMPT = """
SELECT attempt_id, tenant_id, event_id, destination_id, destination_type, attempt_number, manual, status,
       toUnixTimestamp64Milli(attempt_time) AS attempt_milliseconds, code, response_data, topic,
       toUnixTimestamp64Milli(event_time) AS event_milliseconds, eligible_for_retry, metadata, data
  FROM """

_NO_RESPONSE = (None, "", "null")
"""NULL and empty, as hand-made tables and rows have them; and what the reference writes."""

EventKey = tuple[int, EventId, TenantId]
"""Which event: milliseconds since 1970, id, tenant."""


class AttemptRow(msgspec.Struct, frozen=True):
    """What is read of an attempt: all of its event but the destinations it matched."""

    attempt_id: AttemptId
    tenant_id: TenantId
    event_id: EventId
    destination_id: DestinationId
    destination_type: str
    attempt_number: int
    manual: bool
    status: str
    attempt_milliseconds: int
    code: str | None
    response_data: str | None
    topic: str
    event_milliseconds: int
    eligible_for_retry: bool
    metadata: str
    data: str

    @property
    def key(self) -> Key:
        return self.attempt_milliseconds, self.attempt_id

    @property
    def event_key(self) -> EventKey:
        return self.event_milliseconds, self.event_id, self.tenant_id


def by_id(tables: Tables, attempt_id: AttemptId, tenant_id: TenantId | None) -> Statement:
    conditions = Conditions()
    conditions.add_any_of("attempt_id", [attempt_id])
    conditions.add_any_of("tenant_id", None if tenant_id is None else [tenant_id])
    return Statement(
        f"{_ATTEMPT}{tables.attempts}\n WHERE {conditions.sql}\n ORDER BY attempt_time DESC\n LIMIT 1",
        conditions.parameters,
    )


def latest(tables: Tables, event_id: EventId, destination_id: DestinationId, tenant_id: TenantId | None) -> Statement:
    conditions = Conditions()
    conditions.add_any_of("event_id", [event_id])
    conditions.add_any_of("destination_id", [destination_id])
    conditions.add_any_of("tenant_id", None if tenant_id is None else [tenant_id])
    return Statement(
        f"{_ATTEMPT}{tables.attempts}\n WHERE {conditions.sql}\n"
        " ORDER BY attempt_number DESC, attempt_time DESC\n LIMIT 1",
        conditions.parameters,
    )


def page(tables: Tables, query: AttemptQuery) -> PageQuery[AttemptRow]:
    conditions = Conditions()
    conditions.add_any_of("tenant_id", query.tenant_ids)
    conditions.add_any_of("event_id", query.event_ids)
    conditions.add_any_of("destination_id", query.destination_ids)
    conditions.add_any_of("destination_type", query.destination_types)
    conditions.add_any_of("topic", query.topics)
    conditions.add_any_of("status", None if query.status is None else [query.status])
    conditions.add_window("attempt_time", query.time)
    return PageQuery(
        select=f"{_ATTEMPT}{tables.attempts}",
        conditions=conditions,
        order=("attempt_time", "attempt_id"),
        row=AttemptRow,
    )


def from_rows(rows: Sequence[AttemptRow], matches: Sequence[MatchRow]) -> list[LoggedAttempt]:
    """Return attempts; `matches` tells whom their events matched."""
    matched: dict[EventKey, tuple[DestinationId, ...]] = {
        (match.event_milliseconds, match.event_id, match.tenant_id): match.matched_destination_ids for match in matches
    }
    return [_from_row(row, matched) for row in rows]


def _from_row(row: AttemptRow, matched: Mapping[EventKey, tuple[DestinationId, ...]]) -> LoggedAttempt:
    attempt = Attempt(
        id=row.attempt_id,
        tenant_id=row.tenant_id,
        event_id=row.event_id,
        destination_id=row.destination_id,
        destination_type=row.destination_type,
        attempt_number=row.attempt_number,
        manual=row.manual,
        status=row.status,
        time=from_milliseconds(row.attempt_milliseconds),
        code=row.code or "",
        response_data=None if row.response_data in _NO_RESPONSE else row.response_data.encode(),
    )
    event = Event(
        id=row.event_id,
        tenant_id=row.tenant_id,
        topic=row.topic,
        time=from_milliseconds(row.event_milliseconds),
        eligible_for_retry=row.eligible_for_retry,
        metadata=salvage_string_map(row.metadata or "{}"),
        data=row.data.encode(),
        # Rows of old releases do not say whom the event matched, but it matched where it was attempted.
        matched_destination_ids=matched.get(row.event_key) or (row.destination_id,),
    )
    return LoggedAttempt(attempt=attempt, event=event)
