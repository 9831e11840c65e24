"""Reading events from the tables of a Postgres database."""

from outpost.clients.postgres import Row
from outpost.codec import salvage_string_map
from outpost.domain.event import Event
from outpost.domain.identifiers import EventId, TenantId
from outpost.ports.log_store import EventQuery, TimeWindow
from outpost.stores.postgres_paging import Conditions, Statement, page_statement, readable, storable

EVENTS = f"""
SELECT e.id, e.tenant_id, e.topic, {readable("e.time")}, e.eligible_for_retry, e.metadata, e.data,
       e.matched_destination_ids
  FROM events AS e"""

# The reference leaves out an event's row if its first attempt is not logged before the second.
EVENTS_OF_ATTEMPTS = f"""
SELECT a.event_id, a.tenant_id, a.topic, {readable("a.event_time")}, a.eligible_for_retry, a.event_metadata,
       a.event_data, ARRAY[a.destination_id]
  FROM attempts AS a"""
"""Events as their attempts know them, in the columns of `EVENTS`."""


def newest(event_id: EventId, tenant_id: TenantId | None) -> tuple[Statement, Statement]:
    """Return two queries for the newest event of an id, the second for when the first finds none."""
    tenants = None if tenant_id is None else [tenant_id]
    stored, attempted = Conditions(), Conditions()
    stored.add_any_of("e.id", [event_id])
    stored.add_any_of("e.tenant_id", tenants)
    attempted.add_any_of("a.event_id", [event_id])
    attempted.add_any_of("a.tenant_id", tenants)
    return (
        Statement(f"{EVENTS}\n WHERE {stored.sql}\n ORDER BY e.time DESC\n LIMIT 1", stored.parameters),
        Statement(
            f"{EVENTS_OF_ATTEMPTS}\n WHERE {attempted.sql}\n ORDER BY a.event_time DESC, a.time DESC\n LIMIT 1",
            attempted.parameters,
        ),
    )


def page(query: EventQuery) -> Statement:
    conditions = Conditions()
    conditions.add_any_of("e.id", query.ids)
    conditions.add_any_of("e.tenant_id", query.tenant_ids)
    conditions.add_any_of("e.topic", query.topics)
    if query.destination_ids is not None:
        conditions.add("e.matched_destination_ids && {}::text[]", storable(query.destination_ids))
    add_window(conditions, "e.time", query.time)
    return page_statement(EVENTS, conditions, query.page, order=("e.time", "e.id"))


def add_window(conditions: Conditions, column: str, window: TimeWindow) -> None:
    bounds = ((">=", window.gte), ("<=", window.lte), (">", window.gt), ("<", window.lt))
    for operator, instant in bounds:
        if instant is not None:
            conditions.add(f"{column} {operator} {{}}", instant)


def from_row(row: Row) -> Event:
    id_, tenant_id, topic, time, eligible_for_retry, metadata, data, matched = row.values()
    return Event(
        id=id_,
        tenant_id=tenant_id,
        topic=topic,
        time=time,
        eligible_for_retry=eligible_for_retry,
        metadata=salvage_string_map(metadata),
        data=data.encode(),
        matched_destination_ids=tuple(matched),
    )
