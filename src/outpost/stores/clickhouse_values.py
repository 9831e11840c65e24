"""Instants and keys as ClickHouse compares them.

The tables keep milliseconds. A bound may lie between two of them; it is moved to the next one that says the same about
every row. Instants travel as numbers: what a date means depends on the server's time zone.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from outpost.clients.clickhouse import literal
from outpost.codec import to_microseconds, to_milliseconds

Key = tuple[int, str]
"""A row's place: milliseconds since 1970, and an id. No two rows that are kept have the same."""


def next_millisecond(instant: datetime) -> int:
    """Return the first whole millisecond that is not before an instant."""
    return -(-to_microseconds(instant) // 1000)


def last_millisecond(instant: datetime) -> int:
    """Return the last whole millisecond that is not after an instant."""
    return to_milliseconds(instant)


def storable(texts: Iterable[str]) -> list[str]:
    """Leave out what no column can hold, and no query may therefore ask for: surrogates on their own."""
    return [text for text in texts if text == text.encode(errors="ignore").decode()]


def key_set(keys: Sequence[Key]) -> str:
    """Return what stands after `(time, id) IN`.

    Written into the statement, not sent as a parameter: parameters stand in the URL, which has no room for a thousand.
    A subquery, since the server looks up its rows by the primary key; those of an array it compares one by one.
    """
    times, ids = [key[0] for key in keys], [key[1] for key in keys]
    zipped = f"arrayJoin(arrayZip({literal(times)}, {literal(ids)}))"
    return f"(SELECT fromUnixTimestamp64Milli(key.1), key.2 FROM (SELECT {zipped} AS key))"
