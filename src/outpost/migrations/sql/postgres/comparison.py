"""Comparing attempts with the events they carry copies of, and events with the attempts they were matched from."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from outpost.clients.postgres import Row
from outpost.migrations.sql.postgres.database import Database

_WINDOW_ROWS = 10_000
_SHOWN = 20
_MASK = (1 << 64) - 1
_SAMPLED_ROWS = 1_000_000
"""Above so many rows the sample is made of whole pages, because looking at each row would take long."""

# Every attempt of {rows}, with the event it names.
_ATTEMPTS = """
SELECT a.time, a.id, e.id IS NULL AS alone,
       concat_ws(', ', CASE WHEN a.topic <> e.topic THEN 'topic' END,
                       CASE WHEN a.eligible_for_retry <> e.eligible_for_retry THEN 'eligible_for_retry' END,
                       CASE WHEN a.event_metadata <> e.metadata THEN 'event_metadata' END) AS fields,
       CASE WHEN a.event_data::text <> e.data::text THEN ARRAY[a.event_data::text, e.data::text] END AS texts,
       md5(a::text) AS digest
  FROM {rows} AS a
  LEFT JOIN events AS e ON e.time = a.event_time AND e.id = a.event_id AND e.tenant_id = a.tenant_id
 ORDER BY a.time, a.id"""
# Every event of {rows} that was there when 7 was begun ($3), with destinations it should know and does not.
_EVENTS = """
SELECT e.time, e.id, e.time >= $3 AS alone,
       array_to_string(ARRAY(
           SELECT a.destination_id
             FROM attempts AS a
            WHERE a.event_id = e.id AND a.tenant_id = e.tenant_id AND a.time < $3
              AND a.destination_id <> ALL (e.matched_destination_ids)
           {kept}
       ), ', ') AS fields,
       NULL::text[] AS texts,
       md5(e::text) AS digest
  FROM {rows} AS e
 ORDER BY e.time, e.id"""
_KEPT = """
            UNION
           SELECT k.destination_id
             FROM outpost_kept_event_destinations AS k
            WHERE k.time = e.time AND k.id = e.id AND k.destination_id <> ALL (e.matched_destination_ids)"""


class Comparison(msgspec.Struct, kw_only=True):
    """What was found in the rows looked at.

    Attributes:
        alone: Rows that have nothing to be compared with.
        digest: Of all rows, whatever their order; two copies of a table have the same.
    """

    population: int = 0
    compared: int = 0
    alone: int = 0
    different: int = 0
    differences: list[str] = msgspec.field(default_factory=list[str])
    halves: tuple[int, int] = (0, 0)

    @property
    def digest(self) -> str:
        return f"{self.halves[0]:016x}{self.halves[1]:016x}"

    def add(self, row: Row) -> None:
        digest: str = row["digest"]
        self.halves = (
            self.halves[0] + int(digest[:16], 16) & _MASK,
            self.halves[1] + int(digest[16:], 16) & _MASK,
        )
        if row["alone"]:
            self.alone += 1
            return
        self.compared += 1
        fields = [row["fields"]] if row["fields"] else []
        if row["texts"] and not _same_json(*row["texts"]):
            fields.append("event_data")
        if fields:
            self.different += 1
            if len(self.differences) < _SHOWN:
                self.differences.append(f"{row['id']} of {row['time']:%Y-%m-%dT%H:%M:%S.%fZ}: {', '.join(fields)}")


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table to compare, and the query that compares its rows; `arguments` follow the two of the window."""

    name: str
    query: str
    arguments: Sequence[object] = ()


ATTEMPTS = Table(name="attempts", query=_ATTEMPTS)


def events(begun_at: datetime, *, kept: bool) -> Table:
    """Args:
    begun_at: When `matched_destination_ids` began to be filled; younger events are the server's own.
    kept: Whether the table of old destinations is still there.
    """
    return Table(name="events", query=_EVENTS.replace("{kept}", _KEPT if kept else ""), arguments=(begun_at,))


async def compare_all(database: Database, table: Table) -> Comparison:
    """Compare every row, in short transactions."""
    found = Comparison()
    async for rows in _windows(database, table):
        for row in rows:
            found.add(row)
    found.population = found.compared + found.alone
    return found


async def compare_sample(database: Database, table: Table, *, size: int, seed: int | None) -> Comparison:
    """Compare about `size` rows, chosen at random; `seed` chooses the same ones again."""
    found = Comparison()
    async with database.reading() as connection:
        estimate = await connection.fetchval(
            "SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_partition_tree($1::text::regclass) AS t "
            "JOIN pg_class AS c ON c.oid = t.relid AND t.isleaf",
            table.name,
        )
        found.population = max(estimate, await connection.fetchval(_COUNT.format(table=table.name), size * 2))
        share = min(100.0, 120.0 * size / max(found.population, 1))
        method = "SYSTEM" if found.population > _SAMPLED_ROWS else "BERNOULLI"
        again = f" REPEATABLE ({int(seed)})" if seed is not None else ""
        source = (
            f"(SELECT * FROM {table.name} TABLESAMPLE {method} ({share}){again} "
            "WHERE $1::int IS NOT NULL LIMIT $2::int)"
        )
        for row in await connection.fetch(table.query.format(rows=source), 1, size, *table.arguments):
            found.add(row)
    return found


_COUNT = "SELECT count(*) FROM (SELECT FROM {table} LIMIT $1) AS first_rows"


async def _windows(database: Database, table: Table) -> AsyncIterator[list[Row]]:
    source = f"(SELECT * FROM {table.name} WHERE (time, id) > ($1, $2) ORDER BY time, id LIMIT {_WINDOW_ROWS})"
    cursor: tuple[Any, str] | None = (datetime.min, "")  # noqa: DTZ901 - asyncpg's way to say -infinity
    while cursor is not None:
        async with database.reading() as connection:
            rows = await connection.fetch(table.query.format(rows=source), *cursor, *table.arguments)
        yield rows
        cursor = (rows[-1]["time"], rows[-1]["id"]) if rows else None


def _same_json(one: str, other: str) -> bool:
    """Say whether two texts mean the same: Postgres has reordered the keys of what it once kept as jsonb."""
    try:
        return _decoded(one) == _decoded(other)
    except ValueError:
        return False


def _decoded(text: str) -> object:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)
