"""Deleting old events from the tables of a ClickHouse database, row by row."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from outpost.clients.clickhouse import ClickHouse, Value, literal
from outpost.stores.clickhouse_query import Statement, room_for, select
from outpost.stores.clickhouse_values import next_millisecond
from outpost.stores.log.clickhouse_tables import Tables

_BEFORE = "fromUnixTimestamp64Milli({before:Int64})"


class _Expired(msgspec.Struct, frozen=True):
    milliseconds: int
    id: str
    tenant_id: str


async def delete(clickhouse: ClickHouse, tables: Tables, instant: datetime, limit: int) -> int:
    """Delete up to `limit` expired events with their attempts, then attempts that have no event; return how many."""
    before = {"before": next_millisecond(instant)}
    events = await select(clickhouse, Statement(_expired_events(tables, limit), before), _Expired)
    # The attempts go first: who stops in between finds the events again.
    await _delete(clickhouse, tables.attempts, "attempt_time", ("event_time", "event_id"), events, before)
    await _delete(clickhouse, tables.events, "event_time", ("event_time", "event_id"), events, before)
    if len(events) == limit:
        return limit
    orphans = await select(clickhouse, Statement(_orphans(tables, limit - len(events)), before), _Expired)
    await _delete(clickhouse, tables.attempts, "attempt_time", ("attempt_time", "attempt_id"), orphans, before)
    return len(events) + len(orphans)


def _expired_events(tables: Tables, limit: int) -> str:
    # An id may have been used again: an attempt belongs to the event of its time.
    return f"""
SELECT toUnixTimestamp64Milli(event_time) AS milliseconds, event_id AS id, tenant_id
  FROM {tables.events}
 WHERE event_time < {_BEFORE}
   AND (event_time, event_id, tenant_id) NOT IN (
       SELECT event_time, event_id, tenant_id
         FROM {tables.attempts}
        WHERE attempt_time >= {_BEFORE} AND event_time < {_BEFORE})
 ORDER BY event_time, event_id, tenant_id
 LIMIT 1 BY event_time, event_id, tenant_id
 LIMIT {limit}"""


def _orphans(tables: Tables, limit: int) -> str:
    # Nothing else would ever delete these. Of the events only those of the attempts' times are looked at.
    return f"""
SELECT toUnixTimestamp64Milli(attempt_time) AS milliseconds, attempt_id AS id, tenant_id
  FROM {tables.attempts}
 WHERE attempt_time < {_BEFORE}
   AND (event_time, event_id, tenant_id) NOT IN (
       SELECT event_time, event_id, tenant_id
         FROM {tables.events}
        WHERE event_time IN (SELECT event_time FROM {tables.attempts} WHERE attempt_time < {_BEFORE}))
 ORDER BY attempt_time, attempt_id, tenant_id
 LIMIT 1 BY attempt_time, attempt_id, tenant_id
 LIMIT {limit}"""


async def _delete(
    clickhouse: ClickHouse,
    table: str,
    partitioned_by: str,
    key: tuple[str, str],
    expired: Sequence[_Expired],
    before: Mapping[str, Value],
) -> None:
    if not expired:
        return
    time, identity = key
    keys = ", ".join(f"({row.milliseconds}, {literal(row.id)}, {literal(row.tenant_id)})" for row in expired)
    statement = f"""
DELETE FROM {table}
 WHERE {partitioned_by} < {_BEFORE} AND (toUnixTimestamp64Milli({time}), {identity}, tenant_id) IN ({keys})"""
    await clickhouse.execute(statement, before, settings=room_for(statement))
