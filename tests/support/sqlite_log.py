"""Writing events and attempts straight into the tables of a SQLite file."""

import sqlite3
from collections.abc import Sequence

from outpost.codec import to_microseconds, to_milliseconds, write_json, write_string_map
from outpost.domain.attempt import Attempt
from outpost.domain.event import Event


def insert_event(connection: sqlite3.Connection, event: Event, attempts: Sequence[Attempt] = ()) -> None:
    """Insert an event, unless its tenant has it already, and attempts made for it."""
    tenant_key = _tenant_key(connection, event.tenant_id)
    event_key = find_event(connection, event)
    if event_key is None:
        connection.execute(
            "INSERT INTO events (tenant_key, id, topic, time, accepted_at, eligible_for_retry, metadata, "
            "matched_destination_ids, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                tenant_key,
                event.id,
                event.topic,
                to_microseconds(event.time),
                to_milliseconds(event.time),
                event.eligible_for_retry,
                write_string_map(event.metadata),
                write_json(event.matched_destination_ids),
                event.data,
            ),
        )
        event_key = find_event(connection, event)
    for attempt in attempts:
        destination_key = _destination_key(connection, tenant_key, attempt.destination_id)
        connection.execute(
            "INSERT INTO attempts (id, tenant_key, event_key, destination_key, destination_type, attempt_number, "
            "manual, status, time, code, response_data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                attempt.id,
                tenant_key,
                event_key,
                destination_key,
                attempt.destination_type,
                attempt.attempt_number,
                attempt.manual,
                attempt.status,
                to_microseconds(attempt.time),
                attempt.code,
                attempt.response_data,
            ),
        )


def insert_task(connection: sqlite3.Connection, event: Event, *, lease: int = 0) -> None:
    """Insert a task of a stored event for its first matched destination."""
    tenant_key = _tenant_key(connection, event.tenant_id)
    destination_key = _destination_key(connection, tenant_key, event.matched_destination_ids[0])
    connection.execute(
        "INSERT INTO tasks (event_key, destination_key, attempt_number, manual, due_at, lease) "
        "VALUES (?, ?, 1, 0, 0, ?)",
        (find_event(connection, event), destination_key, lease),
    )


def find_event(connection: sqlite3.Connection, event: Event) -> int | None:
    """Return the key of an event's row."""
    row = connection.execute(
        "SELECT key FROM events WHERE id = ? AND tenant_key = ?", (event.id, _tenant_key(connection, event.tenant_id))
    ).fetchone()
    return None if row is None else row[0]


def _tenant_key(connection: sqlite3.Connection, tenant_id: str) -> int:
    connection.execute(
        "INSERT OR IGNORE INTO tenants (id, metadata, created_at, updated_at) VALUES (?, '{}', 0, 0)", (tenant_id,)
    )
    (key,) = connection.execute("SELECT key FROM tenants WHERE id = ?", (tenant_id,)).fetchone()
    return key


def _destination_key(connection: sqlite3.Connection, tenant_key: int, destination_id: str) -> int:
    identity = (tenant_key, destination_id)
    connection.execute(
        "INSERT OR IGNORE INTO destinations (tenant_key, id, type, topics, config, credentials, metadata, created_at, "
        "updated_at) VALUES (?, ?, 'webhook', '[\"*\"]', '{}', x'00', '{}', 0, 0)",
        identity,
    )
    (key,) = connection.execute("SELECT key FROM destinations WHERE tenant_key = ? AND id = ?", identity).fetchone()
    return key
