"""Reading events from the tables of a SQLite file."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from outpost.codec import from_microseconds, salvage_string_map, to_microseconds, write_json
from outpost.domain.event import Event
from outpost.domain.identifiers import EventId, TenantId
from outpost.ports.log_store import EventQuery, TimeWindow
from outpost.ports.paging import Page
from outpost.stores.sqlite_paging import Conditions, fetch_page

FIELDS = """e.id, (SELECT id FROM tenants WHERE key = e.tenant_key), e.topic, e.time, e.eligible_for_retry, e.metadata,
       e.data, e.matched_destination_ids"""
"""The columns of `from_row`, in its order. The tenant is no join, so that it cannot change the order of the rows."""

_EVENTS = f"SELECT {FIELDS} FROM events AS e"


def newest(connection: sqlite3.Connection, event_id: EventId, tenant_id: TenantId | None) -> Event | None:
    """Return the newest event of an id, of one tenant or of all."""
    conditions = Conditions()
    conditions.add("e.id = ?", event_id)
    conditions.add_any_of("+e.tenant_key", tenant_keys(connection, None if tenant_id is None else [tenant_id]))
    row = connection.execute(
        f"{_EVENTS} WHERE {conditions.sql} ORDER BY +e.time DESC, e.key DESC LIMIT 1", conditions.parameters
    ).fetchone()
    return None if row is None else from_row(row)


def page(connection: sqlite3.Connection, query: EventQuery, max_bytes: int) -> Page[Event]:
    conditions = Conditions()
    conditions.add_any_of("e.id", query.ids)
    tenant_key = "e.tenant_key" if query.ids is None else "+e.tenant_key"
    conditions.add_any_of(tenant_key, tenant_keys(connection, query.tenant_ids))
    conditions.add_any_of("e.topic", query.topics)
    if query.destination_ids is not None:
        conditions.add(
            "EXISTS (SELECT 1 FROM json_each(e.matched_destination_ids) AS matched "
            "WHERE matched.value IN (SELECT value FROM json_each(?)))",
            write_json(query.destination_ids),
        )
    add_window(conditions, "e.time", query.time)
    rows = fetch_page(
        connection,
        _EVENTS,
        conditions,
        query.page,
        order=("e.time", "e.id"),
        stored=to_microseconds,
        max_bytes=max_bytes,
    )
    return Page(items=[from_row(row) for row in rows.items], more=rows.more)


def tenant_keys(connection: sqlite3.Connection, ids: Sequence[str] | None) -> list[int] | None:
    """Return the row keys of tenants, deleted ones included; None for None."""
    if ids is None:
        return None
    rows = connection.execute(
        "SELECT key FROM tenants WHERE id IN (SELECT value FROM json_each(?))", (write_json(ids),)
    )
    return [key for (key,) in rows]


def add_window(conditions: Conditions, column: str, window: TimeWindow) -> None:
    bounds = ((">=", window.gte), ("<=", window.lte), (">", window.gt), ("<", window.lt))
    for operator, instant in bounds:
        if instant is not None:
            conditions.add(f"{column} {operator} ?", to_microseconds(instant))


def from_row(row: Sequence[Any]) -> Event:
    id_, tenant_id, topic, time, eligible_for_retry, metadata, data, matched = row
    return Event(
        id=id_,
        tenant_id=tenant_id,
        topic=topic,
        time=from_microseconds(time),
        eligible_for_retry=bool(eligible_for_retry),
        metadata=salvage_string_map(metadata),
        data=data,
        matched_destination_ids=tuple(json.loads(matched)),
    )
