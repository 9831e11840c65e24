"""Finding and deleting old events in the tables of a SQLite file."""

import sqlite3
from collections.abc import Sequence

from outpost.codec import write_json

# `+time`: the few attempts of one event are found by the event, not the many recent ones by their time.
_EXPIRED = """
SELECT e.key FROM events AS e
 WHERE e.time < :before
   AND NOT EXISTS (SELECT 1 FROM tasks WHERE event_key = e.key)
   AND NOT EXISTS (SELECT 1 FROM attempts WHERE event_key = e.key AND +time >= :before)"""
_DEPENDENT_TABLES = ("attempts", "dropped_tasks")


def expired(connection: sqlite3.Connection, before: int, limit: int) -> list[int]:
    """Return the row keys of up to `limit` events that happened and were last attempted before an instant."""
    rows = connection.execute(f"{_EXPIRED} ORDER BY e.time LIMIT :limit", {"before": before, "limit": limit})
    return [key for (key,) in rows]


def delete(connection: sqlite3.Connection, keys: Sequence[int], before: int) -> int:
    """Delete those of the events that are still expired, with all that refers to them; return how many they were.

    An event may have been retried since its key was read.
    """
    still = connection.execute(
        f"{_EXPIRED} AND e.key IN (SELECT value FROM json_each(:keys))", {"before": before, "keys": write_json(keys)}
    ).fetchall()
    expired_keys = write_json([key for (key,) in still])
    for table in _DEPENDENT_TABLES:
        connection.execute(f"DELETE FROM {table} WHERE event_key IN (SELECT value FROM json_each(?))", (expired_keys,))
    connection.execute("DELETE FROM events WHERE key IN (SELECT value FROM json_each(?))", (expired_keys,))
    return len(still)
