"""What the server says of our tables: the ground on which everything is decided."""

from collections.abc import Mapping, Sequence

import msgspec

from outpost.migrations.sql.clickhouse.names import Names
from outpost.migrations.sql.clickhouse.server import Server

# Names are compared, never matched: `_` stands for any character in SHOW TABLES LIKE.
_TABLES = """
SELECT name, engine, partition_key, sorting_key, ifNull(total_rows, 0) AS rows, ifNull(total_bytes, 0) AS bytes
  FROM system.tables WHERE database = currentDatabase() AND has({tables:Array(String)}, name)"""
_COLUMNS = """
SELECT table, name, type, default_expression AS default
  FROM system.columns WHERE database = currentDatabase() AND has({tables:Array(String)}, table)
 ORDER BY table, position"""
_INDEXES = """
SELECT table, name, expr, type_full AS type, granularity
  FROM system.data_skipping_indices WHERE database = currentDatabase() AND has({tables:Array(String)}, table)"""

KEPT_EVENT_DESTINATIONS = "outpost_kept_event_destinations"
KEPT = (KEPT_EVENT_DESTINATIONS, "outpost_kept_events", "outpost_kept_deliveries")
"""Tables of old data that wait for `cleanup`."""
_KNOWN = (
    *("events", "attempts", "deliveries"),
    *("schema_migrations", "outpost_migrations", "outpost_migration_runs"),
    *KEPT,
)


class Table(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    engine: str
    partition_key: str = ""
    sorting_key: str = ""
    rows: int = 0
    bytes: int = 0


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """`default` is an expression as the server writes it, or empty."""

    table: str
    name: str
    type: str
    default: str = ""


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """A skip index."""

    table: str
    name: str
    expr: str
    type: str
    granularity: int


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """Our tables by their names without prefix."""

    tables: Mapping[str, Table] = {}
    columns: Sequence[Column] = ()
    indexes: Sequence[Index] = ()

    def has(self, table: str) -> bool:
        return table in self.tables

    def has_column(self, table: str, name: str) -> bool:
        return any((column.table, column.name) == (table, name) for column in self.columns)

    def has_index(self, table: str, name: str) -> bool:
        return any((index.table, index.name) == (table, name) for index in self.indexes)


async def read_catalog(server: Server, names: Names) -> Catalog:
    """Return what exists of the tables this line knows."""
    asked = {"tables": [names.full(table) for table in _KNOWN]}
    tables = await server.select(_TABLES, asked, row=Table)
    columns = await server.select(_COLUMNS, asked, row=Column)
    indexes = await server.select(_INDEXES, asked, row=Index)
    short = msgspec.structs.replace
    return Catalog(
        tables={names.short(table.name): short(table, name=names.short(table.name)) for table in tables},
        columns=[short(column, table=names.short(column.table)) for column in columns],
        indexes=[short(index, table=names.short(index.table)) for index in indexes],
    )
