"""Writing attempts and their events into the tables of a ClickHouse database."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from outpost.clients.clickhouse import ClickHouse, DataRejected
from outpost.domain.errors import RecordRejected
from outpost.ports.log_store import LoggedAttempt
from outpost.stores.clickhouse_errors import store_errors
from outpost.stores.clickhouse_query import Statement, select
from outpost.stores.clickhouse_values import Key, key_set
from outpost.stores.log.clickhouse_rows import Unstorable, WrittenAttempt, written
from outpost.stores.log.clickhouse_tables import tables_of

_SETTINGS = {
    # What returns is stored, not in a buffer that the server shares among inserts.
    "async_insert": "0",
    # Publishers may send events of any month.
    "max_partitions_per_insert_block": "0",
}


class _Stored(msgspec.Struct, frozen=True):
    milliseconds: int
    id: str
    is_event: bool

    @property
    def key(self) -> Key:
        return self.milliseconds, self.id


class _Batch(NamedTuple):
    """Rows by their keys; of several with one key the first."""

    events: Mapping[Key, msgspec.Raw]
    attempts: Mapping[Key, msgspec.Raw]


class ClickHouseLogWriter:
    """`LogWriter` over a client.

    One insert for the events, then one for the attempts. A row is not written if one with its key is there, because of
    two rows the server would keep the later. Two calls that run together may both write it: then as the same.

    If the server will not have a value, the entries are written half by half, until the one with that value is alone.
    What is stored is as durable as the server's settings make an insert.
    """

    def __init__(self, clickhouse: ClickHouse, *, deployment_id: str = "") -> None:
        self._clickhouse = clickhouse
        self._tables = tables_of(deployment_id)

    async def insert_many(self, entries: Sequence[LoggedAttempt]) -> Sequence[RecordRejected | None]:
        outcomes: list[RecordRejected | None] = [None] * len(entries)
        rows: list[tuple[int, WrittenAttempt]] = []
        for index, entry in enumerate(entries):
            try:
                rows.append((index, written(entry)))
            except Unstorable as error:
                outcomes[index] = _rejected(entry, str(error))
        parts = [rows] if rows else []
        while parts:
            part = parts.pop()
            refusal = await self._insert([row for _, row in part])
            if refusal is not None and len(part) == 1:
                index = part[0][0]
                outcomes[index] = _rejected(entries[index], refusal)
            elif refusal is not None:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
        return outcomes

    async def _insert(self, rows: Sequence[WrittenAttempt]) -> str | None:
        """Insert all rows that are not there; return why a value among them can never be stored."""
        batch = _batch(rows)
        with store_errors():
            stored = await self._stored(batch)
            events = [row for key, row in batch.events.items() if (key, True) not in stored]
            attempts = [row for key, row in batch.attempts.items() if (key, False) not in stored]
            try:
                await self._clickhouse.insert(self._tables.events, events, settings=_SETTINGS)
                await self._clickhouse.insert(self._tables.attempts, attempts, settings=_SETTINGS)
            except DataRejected as error:  # without the server's sentence, which may quote the value
                return f"ClickHouse does not take one of its values [{error.code}]"
        return None

    async def _stored(self, batch: _Batch) -> Collection[tuple[Key, bool]]:
        """Return the keys of rows that are there already, and whether each is an event's."""
        statement = f"""
SELECT toUnixTimestamp64Milli(attempt_time) AS milliseconds, attempt_id AS id, false AS is_event
  FROM {self._tables.attempts}
 WHERE (attempt_time, attempt_id) IN {key_set(list(batch.attempts))}"""
        if batch.events:
            statement += f"""
 UNION ALL
SELECT toUnixTimestamp64Milli(event_time) AS milliseconds, event_id AS id, true AS is_event
  FROM {self._tables.events}
 WHERE (event_time, event_id) IN {key_set(list(batch.events))}"""
        found = await select(self._clickhouse, Statement(statement, {}), _Stored)
        return {(row.key, row.is_event) for row in found}


def _batch(rows: Sequence[WrittenAttempt]) -> _Batch:
    attempts: dict[Key, msgspec.Raw] = {}
    events: dict[Key, msgspec.Raw] = {}
    for row in rows:
        attempts.setdefault(row.key, row.attempt)
    # Of the copies of an event those that tell whom it matched go first.
    for row in sorted(rows, key=lambda row: not row.knows_matches):
        if row.brings_event:
            events.setdefault(row.event_key, row.event)
    return _Batch(events, attempts)


def _rejected(entry: LoggedAttempt, cause: str) -> RecordRejected:
    return RecordRejected(f"attempt {entry.attempt.id}", cause)
