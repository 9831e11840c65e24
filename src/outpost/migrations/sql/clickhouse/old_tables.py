"""Tables that are not what version 1 makes: those of releases before 0.13, and those of another program.

    before 0.13    events (id, ..., time DateTime), MergeTree       deliveries (id, delivery_event_id, ...)
    since          events (event_id, ..., event_time DateTime64)    attempts (attempt_id, ...)

Both call themselves version 1. The old tables are moved aside, where `cleanup` finds them, and version 1 is run anew.
"""

from collections.abc import Sequence

import msgspec

from outpost.migrations.sql.clickhouse.catalog import Catalog
from outpost.migrations.sql.clickhouse.names import Names

_KEYS = {"events": "event_id", "attempts": "attempt_id"}
_OLD = {"events": "id", "deliveries": "delivery_event_id"}


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """An old table and where it is kept."""

    table: str
    kept: str
    rows: int

    def statement(self, names: Names) -> str:
        return names.render(f"RENAME TABLE {{{self.table}}} TO {{{self.kept}}} {{on_cluster}}")

    @property
    def sentence(self) -> str:
        rows = "empty" if not self.rows else f"{self.rows} rows"
        return f"{self.table} is a table of a release before 0.13 ({rows}); it is kept as {self.kept}"


def moves(catalog: Catalog) -> Sequence[Move]:
    """Return which tables must be moved aside before version 1 can be run."""
    return [
        Move(table=table, kept=f"outpost_kept_{table}", rows=catalog.tables[table].rows)
        for table, mark in _OLD.items()
        if catalog.has_column(table, mark) and not catalog.has_column(table, _KEYS.get(table, ""))
    ]


def foreign(catalog: Catalog) -> Sequence[str]:
    """Return the tables of our names that are of a shape no release of Outpost has made."""
    old = {move.table for move in moves(catalog)}
    return [
        table
        for table, key in _KEYS.items()
        if catalog.has(table) and not catalog.has_column(table, key) and table not in old
    ]


def missing(catalog: Catalog) -> Sequence[str]:
    return [table for table in _KEYS if not catalog.has(table)]
