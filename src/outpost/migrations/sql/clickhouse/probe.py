"""Did it happen? A statement's effect is looked for in the schema, because an answer may have been lost."""

import re
from collections.abc import Iterator

from outpost.migrations.sql.clickhouse.catalog import KEPT, Catalog
from outpost.migrations.sql.script import Script, Statement

_CREATE = re.compile(r"CREATE TABLE IF NOT EXISTS \{(\w+)\}")
_ALTER = re.compile(r"ALTER TABLE \{(\w+)\}")
_CLAUSE = re.compile(r"\b(ADD|DROP) (COLUMN|INDEX) IF (?:NOT )?EXISTS (\w+)")


def happened(statement: Statement, catalog: Catalog) -> bool | None:
    """Say whether the schema shows all that the statement does; None if no schema can show it."""
    if created := _CREATE.match(statement.bare):
        return catalog.has(created[1])
    if altered := _ALTER.match(statement.bare):
        return all(_clauses(altered[1], statement, catalog))
    return None


def holds(script: Script, catalog: Catalog) -> bool:
    """Say whether the schema shows all that the original tool's script of this number changes in it."""
    theirs = [statement for statement in script.statements if not _keeps_aside(statement)]
    return all(happened(statement, catalog) is not False for statement in theirs)


def _keeps_aside(statement: Statement) -> bool:
    created = _CREATE.match(statement.bare)
    return created is not None and created[1] in KEPT


def _clauses(table: str, statement: Statement, catalog: Catalog) -> Iterator[bool]:
    for verb, kind, name in _CLAUSE.findall(statement.bare):
        there = catalog.has_column(table, name) if kind == "COLUMN" else catalog.has_index(table, name)
        yield there if verb == "ADD" else catalog.has(table) and not there
