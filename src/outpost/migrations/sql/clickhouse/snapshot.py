"""The schema that all migrations make together, and how a database differs from it."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

from outpost.migrations.sql.clickhouse.catalog import Catalog, Column, Index, Table
from outpost.migrations.sql.script import split

_FILE = "schema.sql"
_TABLE = re.compile(
    r"CREATE TABLE \{(\w+)\} \((.*)\) ENGINE = \{(\w+)\} PARTITION BY (.+) ORDER BY \((.+)\)$", re.DOTALL
)
_INDEX = re.compile(r"INDEX (\w+) (\w+) TYPE (.+) GRANULARITY (\d+)")
_COLUMN = re.compile(r"(\w+) (.+?)(?: DEFAULT (.+))?")


def snapshot() -> Catalog:
    """Return what `schema.sql` says: one column or index on a line."""
    text = files("outpost.migrations").joinpath("sql", "clickhouse", _FILE).read_text("utf-8")
    tables: dict[str, Table] = {}
    columns: list[Column] = []
    indexes: list[Index] = []
    for statement in split(_FILE, text):
        name, body, engine, partition_key, sorting_key = _matched(_TABLE, " ".join(statement.text.split()))
        tables[name] = Table(name=name, engine=engine, partition_key=partition_key, sorting_key=sorting_key)
        for line in body.strip().split(", "):
            if line.startswith("INDEX "):
                index, expr, kind, granularity = _matched(_INDEX, line)
                indexes.append(Index(table=name, name=index, expr=expr, type=kind, granularity=int(granularity)))
            else:
                column, kind, default = _matched(_COLUMN, line)
                columns.append(Column(table=name, name=column, type=kind, default=default or ""))
    return Catalog(tables=tables, columns=columns, indexes=indexes)


def differences(wanted: Catalog, found: Catalog) -> Sequence[str]:
    """Return what is missing, different or too much, table by table, each in one sentence."""
    return [text for name in wanted.tables for text in _of_table(name, wanted, found)]


def objects(catalog: Catalog) -> int:
    return len(catalog.tables) + len(catalog.columns) + len(catalog.indexes)


def _of_table(name: str, wanted: Catalog, found: Catalog) -> Sequence[str]:
    if not found.has(name):
        return [f"table {name} is missing"]
    texts = _of_keys(wanted.tables[name], found.tables[name])
    columns = {each.name: each for each in wanted.columns if each.table == name}
    actual = {each.name: each for each in found.columns if each.table == name}
    texts += _compared(f"column {name}.", columns, actual)
    if not texts and list(columns) != list(actual):
        texts.append(f"columns of {name} are in another order: {', '.join(actual)}")
    return texts + _compared(
        f"index {name}.",
        {each.name: each for each in wanted.indexes if each.table == name},
        {each.name: each for each in found.indexes if each.table == name},
    )


def _of_keys(wanted: Table, found: Table) -> list[str]:
    # ClickHouse Cloud and clusters have engines of the same name with something in front: Shared, Replicated.
    texts = [] if found.engine.endswith(wanted.engine) else [f"table {wanted.name} has the engine {found.engine}"]
    if found.partition_key != wanted.partition_key:
        texts.append(f"table {wanted.name} is partitioned by {found.partition_key}")
    if found.sorting_key != wanted.sorting_key:
        texts.append(f"table {wanted.name} is ordered by {found.sorting_key}")
    return texts


def _compared(kind: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    texts = [f"{kind}{name} is missing" for name in wanted if name not in found]
    changed = [name for name in wanted if found.get(name, wanted[name]) != wanted[name]]
    texts += [f"{kind}{name} differs from the migrations" for name in changed]
    return texts + [f"{kind}{name} is not of the migrations" for name in found if name not in wanted]


def _matched(pattern: re.Pattern[str], text: str) -> Sequence[str]:
    found = pattern.fullmatch(text)
    assert found is not None, f"{_FILE} has a line of another form: {text}"
    return found.groups()
