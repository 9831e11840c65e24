"""Reading attempts, each with its event, from the tables of a Postgres database."""

from outpost.clients.postgres import Row
from outpost.codec import salvage_string_map
from outpost.domain.attempt import Attempt
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, LoggedAttempt
from outpost.stores.log.postgres_events import add_window
from outpost.stores.postgres_paging import Conditions, Statement, page_statement, readable

# A row of `attempts` has all of its event but the matched destinations. Looking them up in the SELECT list, not by a
# join, keeps to the order that an index on attempts gives, and is done for the rows of the page only.
ATTEMPTS = f"""
SELECT a.id, a.tenant_id, a.event_id, a.destination_id, a.destination_type, a.attempt_number, a.manual, a.status,
       {readable("a.time")}, a.code, a.response_data, a.topic, {readable("a.event_time")}, a.eligible_for_retry,
       a.event_metadata, a.event_data,
       (SELECT e.matched_destination_ids
          FROM events AS e
         WHERE e.time = a.event_time AND e.id = a.event_id AND e.tenant_id = a.tenant_id) AS matched_destination_ids
  FROM attempts AS a"""

_NO_RESPONSE = (None, "", "null")
"""SQL NULL; what old releases wrote; what the reference writes, and what its migration made of a JSON null."""


def by_id(attempt_id: AttemptId, tenant_id: TenantId | None) -> Statement:
    conditions = Conditions()
    conditions.add_any_of("a.id", [attempt_id])
    conditions.add_any_of("a.tenant_id", None if tenant_id is None else [tenant_id])
    return Statement(f"{ATTEMPTS}\n WHERE {conditions.sql}\n ORDER BY a.time DESC\n LIMIT 1", conditions.parameters)


def latest(event_id: EventId, destination_id: DestinationId, tenant_id: TenantId | None) -> Statement:
    conditions = Conditions()
    conditions.add_any_of("a.event_id", [event_id])
    conditions.add_any_of("a.destination_id", [destination_id])
    conditions.add_any_of("a.tenant_id", None if tenant_id is None else [tenant_id])
    return Statement(
        f"{ATTEMPTS}\n WHERE {conditions.sql}\n ORDER BY a.attempt_number DESC, a.time DESC\n LIMIT 1",
        conditions.parameters,
    )


def page(query: AttemptQuery) -> Statement:
    conditions = Conditions()
    conditions.add_any_of("a.tenant_id", query.tenant_ids)
    conditions.add_any_of("a.event_id", query.event_ids)
    conditions.add_any_of("a.destination_id", query.destination_ids)
    conditions.add_any_of("a.destination_type", query.destination_types)
    conditions.add_any_of("a.topic", query.topics)
    conditions.add_any_of("a.status", None if query.status is None else [query.status])
    add_window(conditions, "a.time", query.time)
    return page_statement(ATTEMPTS, conditions, query.page, order=("a.time", "a.id"))


def from_row(row: Row) -> LoggedAttempt:
    (
        id_,
        tenant_id,
        event_id,
        destination_id,
        destination_type,
        attempt_number,
        manual,
        status,
        time,
        code,
        response_data,
        topic,
        event_time,
        eligible_for_retry,
        event_metadata,
        event_data,
        matched,
    ) = row.values()
    attempt = Attempt(
        id=id_,
        tenant_id=tenant_id,
        event_id=event_id,
        destination_id=destination_id,
        destination_type=destination_type,
        attempt_number=attempt_number,
        manual=manual,
        status=status,
        time=time,
        code=code or "",
        response_data=None if response_data in _NO_RESPONSE else response_data.encode(),
    )
    event = Event(
        id=event_id,
        tenant_id=tenant_id,
        topic=topic,
        time=event_time,
        eligible_for_retry=eligible_for_retry,
        metadata=salvage_string_map(event_metadata),
        data=event_data.encode(),
        # Rows of old releases do not say whom the event matched, but it matched where it was attempted.
        matched_destination_ids=tuple(matched or (destination_id,)),
    )
    return LoggedAttempt(attempt=attempt, event=event)
