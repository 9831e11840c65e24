"""Reading attempts, each with its event, from the tables of a SQLite file."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from outpost.codec import from_microseconds, to_microseconds
from outpost.domain.attempt import Attempt
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, LoggedAttempt
from outpost.ports.paging import Page
from outpost.stores.log import sqlite_events
from outpost.stores.log.sqlite_events import add_window, tenant_keys
from outpost.stores.sqlite_paging import Conditions, fetch_page

_DESTINATION_ID = "(SELECT id FROM destinations WHERE key = a.destination_key)"

# CROSS JOIN keeps SQLite from reading the events first, which would lose the order that an index on attempts gives.
_FROM = "FROM attempts AS a CROSS JOIN events AS e ON e.key = a.event_key"
_ATTEMPTS = f"""
SELECT a.id, {_DESTINATION_ID}, a.destination_type, a.attempt_number, a.manual, a.status, a.time, a.code,
       a.response_data,
       {sqlite_events.FIELDS}
  {_FROM}"""
_ATTEMPT_COLUMNS = 9


def by_id(connection: sqlite3.Connection, attempt_id: AttemptId, tenant_id: TenantId | None) -> LoggedAttempt | None:
    conditions = Conditions()
    conditions.add("a.id = ?", attempt_id)
    conditions.add_any_of("+a.tenant_key", tenant_keys(connection, None if tenant_id is None else [tenant_id]))
    row = connection.execute(f"{_ATTEMPTS} WHERE {conditions.sql} LIMIT 1", conditions.parameters).fetchone()
    return None if row is None else _from_row(row)


def latest(
    connection: sqlite3.Connection, event_id: EventId, destination_id: DestinationId, tenant_id: TenantId | None
) -> LoggedAttempt | None:
    conditions = Conditions()
    tenants = tenant_keys(connection, None if tenant_id is None else [tenant_id])
    conditions.add_any_of("a.event_key", _event_keys(connection, [event_id], tenants))
    conditions.add(f"{_DESTINATION_ID} = ?", destination_id)
    row = connection.execute(
        f"{_ATTEMPTS} WHERE {conditions.sql} ORDER BY a.attempt_number DESC, +a.time DESC LIMIT 1",
        conditions.parameters,
    ).fetchone()
    return None if row is None else _from_row(row)


def page(connection: sqlite3.Connection, query: AttemptQuery, max_bytes: int) -> Page[LoggedAttempt]:
    conditions = Conditions()
    _add_owners(connection, conditions, query)
    conditions.add_any_of("a.destination_type", query.destination_types)
    conditions.add_any_of("e.topic", query.topics)
    if query.status is not None:
        conditions.add("a.status = ?", query.status)
    add_window(conditions, "a.time", query.time)
    rows = fetch_page(
        connection,
        _ATTEMPTS,
        conditions,
        query.page,
        order=("a.time", "a.id"),
        stored=to_microseconds,
        max_bytes=max_bytes,
    )
    return Page(items=[_from_row(row) for row in rows.items], more=rows.more)


def _add_owners(connection: sqlite3.Connection, conditions: Conditions, query: AttemptQuery) -> None:
    """Add the conditions on event, destination and tenant; only the narrowest of them may choose the index."""
    tenants = tenant_keys(connection, query.tenant_ids)
    columns = {
        "a.event_key": None if query.event_ids is None else _event_keys(connection, query.event_ids, tenants),
        "a.destination_key": (
            None if query.destination_ids is None else _destination_keys(connection, query.destination_ids, tenants)
        ),
        "a.tenant_key": tenants,
    }
    hint = ""
    for column, keys in columns.items():
        conditions.add_any_of(hint + column, keys)
        if keys is not None:
            hint = "+"


def _event_keys(connection: sqlite3.Connection, ids: Sequence[str], tenants: Sequence[int] | None) -> list[int]:
    return _keys(connection, "events", "+tenant_key", ids, tenants)


def _destination_keys(connection: sqlite3.Connection, ids: Sequence[str], tenants: Sequence[int] | None) -> list[int]:
    return _keys(connection, "destinations", "tenant_key", ids, tenants)


def _keys(
    connection: sqlite3.Connection, table: str, tenant_column: str, ids: Sequence[str], tenants: Sequence[int] | None
) -> list[int]:
    conditions = Conditions()
    conditions.add_any_of("id", ids)
    conditions.add_any_of(tenant_column, tenants)
    return [
        key for (key,) in connection.execute(f"SELECT key FROM {table} WHERE {conditions.sql}", conditions.parameters)
    ]


def _from_row(row: Sequence[Any]) -> LoggedAttempt:
    event = sqlite_events.from_row(row[_ATTEMPT_COLUMNS:])
    id_, destination_id, destination_type, number, manual, status, time, code, response_data = row[:_ATTEMPT_COLUMNS]
    attempt = Attempt(
        id=id_,
        tenant_id=event.tenant_id,
        event_id=event.id,
        destination_id=destination_id,
        destination_type=destination_type,
        attempt_number=number,
        manual=bool(manual),
        status=status,
        time=from_microseconds(time),
        code=code,
        response_data=response_data,
    )
    return LoggedAttempt(attempt=attempt, event=event)
