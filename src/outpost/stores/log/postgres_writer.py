"""Writing attempts and their events into the tables of a Postgres database."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from outpost.clients.postgres import DataRejected, Pool
from outpost.codec import write_string_map
from outpost.domain.errors import RecordRejected
from outpost.ports.log_store import LoggedAttempt
from outpost.stores.postgres_errors import store_errors

_encode = msgspec.json.Encoder().encode

# One statement, so that a batch is one flight and one commit. The entries travel as one JSON array: to make an array of
# each column costs this process 10 us more for each entry. Rows go in by the order of their keys, so that two writers
# of the same rows wait for each other and not in a circle.
#
# An event has a row from the first attempt that tells whom it matched; retries that the reference makes do not.
INSERT_ENTRIES = """
WITH entry AS MATERIALIZED (
    SELECT *
      FROM json_to_recordset($1::json) AS entry (
           id text, tenant_id text, event_id text, destination_id text, destination_type text, status text,
           time timestamptz, code text, response_data text, manual boolean, attempt_number integer, topic text,
           event_time timestamptz, eligible_for_retry boolean, event_data text, event_metadata text,
           matched_destination_ids text)
), inserted_events AS (
    INSERT INTO events (id, tenant_id, time, topic, eligible_for_retry, data, metadata, matched_destination_ids)
    SELECT DISTINCT ON (event_time, event_id)
           event_id, tenant_id, event_time, topic, eligible_for_retry, event_data, event_metadata::jsonb,
           matched_destination_ids::text[]
      FROM entry
     WHERE attempt_number <= 1 OR matched_destination_ids <> '{}'
     ORDER BY event_time, event_id, matched_destination_ids = '{}'
        ON CONFLICT (time, id) DO NOTHING
)
INSERT INTO attempts (id, tenant_id, event_id, destination_id, destination_type, status, time,
                      code, response_data, manual, attempt_number, topic, event_time,
                      eligible_for_retry, event_data, event_metadata)
SELECT id, tenant_id, event_id, destination_id, destination_type, status, time,
       code, response_data, manual, attempt_number, topic, event_time,
       eligible_for_retry, event_data, event_metadata::jsonb
  FROM entry
 ORDER BY time, id
    ON CONFLICT (time, id) DO NOTHING"""


class PostgresLogWriter:
    """`LogWriter` over an open pool.

    One statement writes all entries. If the database will not have a value, the entries are written half by half, until
    the one with that value is alone.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def insert_many(self, entries: Sequence[LoggedAttempt]) -> Sequence[RecordRejected | None]:
        outcomes: list[RecordRejected | None] = [None] * len(entries)
        parts = [range(len(entries))] if entries else []
        while parts:
            part = parts.pop()
            refusal = await self._insert([entries[index] for index in part])
            if refusal is not None and len(part) == 1:
                outcomes[part.start] = RecordRejected(f"attempt {entries[part.start].attempt.id}", refusal)
            elif refusal is not None:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
        return outcomes

    async def _insert(self, entries: Sequence[LoggedAttempt]) -> str | None:
        """Insert all entries or none; return why a value among them can never be stored."""
        with store_errors():
            try:
                rows = _encode([_row(entry) for entry in entries]).decode()
                async with self._pool.connection() as connection:
                    await connection.execute(INSERT_ENTRIES, rows)
            except (DataRejected, UnicodeError) as error:
                return error.detail if isinstance(error, DataRejected) else "a text is not UTF-8"
        return None


class _Row(msgspec.Struct, gc=False):
    """An entry in the columns that `INSERT_ENTRIES` names."""

    id: str
    tenant_id: str
    event_id: str
    destination_id: str
    destination_type: str
    status: str
    time: datetime
    code: str
    response_data: str
    manual: bool
    attempt_number: int
    topic: str
    event_time: datetime
    eligible_for_retry: bool
    event_data: str
    event_metadata: str
    matched_destination_ids: str


def _row(entry: LoggedAttempt) -> _Row:
    attempt, event = entry.attempt, entry.event
    return _Row(
        attempt.id,
        attempt.tenant_id,
        attempt.event_id,
        attempt.destination_id,
        attempt.destination_type,
        attempt.status,
        attempt.time,
        attempt.code,
        "null" if attempt.response_data is None else attempt.response_data.decode(),
        attempt.manual,
        attempt.attempt_number,
        event.topic,
        event.time,
        event.eligible_for_retry,
        event.data.decode(),
        write_string_map(event.metadata),
        _array_literal(event.matched_destination_ids),
    )


def _array_literal(texts: Sequence[str]) -> str:
    """Return a list as Postgres reads it: PostgreSQL, "Arrays", "Array Input and Output Syntax"."""
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"
