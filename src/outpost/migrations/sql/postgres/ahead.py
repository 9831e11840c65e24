"""Indexes of large tables, built before the transaction that needs them, while others read and write.

    -- outpost: ahead deliveries
    CREATE INDEX idx_attempts_id ON attempts (id);

An index of a partitioned table cannot be built CONCURRENTLY, but those of its partitions can. So the same index is
built on each partition of `deliveries`, which is what the table is called by then, under a name of our own:

    missing ──CREATE INDEX CONCURRENTLY──▶ valid ──the script's CREATE INDEX──▶ attached, named as Postgres names it
       ▲                │
       │                └─ killed, cancelled: INVALID
       └──DROP INDEX CONCURRENTLY──┘

The script is begun by then, so no other tool will take it up. What is there is read from the catalog each time, so it
may end anywhere. The script's statement finds the indexes that
fit and builds none. Without them, on a small table or behind a pooler, it builds them all itself.
"""

import re
from collections.abc import Sequence

import msgspec

from outpost.clients.postgres import Connection
from outpost.migrations.errors import MigrationError
from outpost.migrations.sql.script import Script, Statement

PREFIX = "outpost_ahead_"
_INDEX = re.compile(r"CREATE INDEX (?:\w+ )?ON (?P<table>\w+) (?P<how>.+)")
_LONGEST_NAME = 63

_LEAVES = """
SELECT t.relid::oid AS oid, t.relid::regclass::text AS name, pg_table_size(t.relid) AS bytes
  FROM pg_partition_tree(to_regclass(quote_ident(current_schema()) || '.' || quote_ident($1))) AS t
 WHERE t.isleaf
 ORDER BY t.relid"""
_BUILT = """
SELECT i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = $1"""
_BUILT_FOR = """
SELECT c.relname AS name, t.relname AS table, c.relispartition AS attached,
       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid ORDER BY attnum) AS columns
  FROM pg_class AS c
  JOIN pg_index AS i ON i.indexrelid = c.oid
  JOIN pg_class AS t ON t.oid = i.indrelid
 WHERE c.relnamespace = current_schema()::regnamespace AND starts_with(c.relname, $1)"""
_TAKEN = "SELECT to_regclass(quote_ident(current_schema()) || '.' || quote_ident($1)) IS NOT NULL"


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """An index to build ahead.

    Attributes:
        table: What its table is called before the transaction.
        how: What follows the name of the table in the statement.
        prefix: How the names of the indexes on partitions begin until they are attached.
    """

    table: str
    how: str
    prefix: str


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """An index on one partition.

    Attributes:
        table: As it is written in a statement.
    """

    name: str
    table: str
    how: str


def ahead_of(script: Script, number: int, statement: Statement) -> Ahead | None:
    """Return what a statement wants built ahead.

    Args:
        number: Position of the statement in its script, from 0.

    Raises:
        MigrationError: It is no statement of which that can be done.
    """
    table = statement.directives.get("ahead")
    if table is None:
        return None
    found = _INDEX.fullmatch(statement.bare)
    if found is None or not table.isidentifier():
        where = f"{script.file}, line {statement.line}"
        raise MigrationError(f"{where}: `ahead {table}` is not before a CREATE INDEX, or names no table")
    return Ahead(table=table, how=found["how"], prefix=f"{PREFIX}{script.number}_{number}_")


async def leaves(connection: Connection, wanted: Ahead, *, above_bytes: int) -> Sequence[Leaf]:
    """Return what to build for an index, on partitions that are larger; those of the rest are quick."""
    rows = await connection.fetch(_LEAVES, wanted.table)
    return [
        Leaf(name=f"{wanted.prefix}{row['oid']}", table=row["name"], how=wanted.how)
        for row in rows
        if row["bytes"] > above_bytes
    ]


async def build(connection: Connection, leaf: Leaf) -> None:
    """Build one index unless it is there, outside a transaction; what an earlier attempt left INVALID is removed."""
    valid = await connection.fetchval(_BUILT, leaf.name)
    if valid is False:
        await connection.execute(f"DROP INDEX CONCURRENTLY {leaf.name}")
    if not valid:
        await connection.execute(f"CREATE INDEX CONCURRENTLY {leaf.name} ON {leaf.table} {leaf.how}")


async def name_attached(connection: Connection, wanted: Ahead) -> None:
    """Give the indexes that were attached the names that Postgres would have chosen.

    Where the partition had another one that fits, that one was attached, and ours is removed.
    """
    for row in await connection.fetch(_BUILT_FOR, wanted.prefix):
        if not row["attached"]:
            await connection.execute(f"DROP INDEX {row['name']}")
            continue
        name = chosen_name(row["table"], row["columns"], "idx")
        attempt = 0
        while await connection.fetchval(_TAKEN, name):
            attempt += 1
            name = chosen_name(row["table"], row["columns"], f"idx{attempt}")
        await connection.execute(f'ALTER INDEX {row["name"]} RENAME TO "{name}"')


def chosen_name(table: str, columns: Sequence[str], label: str) -> str:
    """Return a name as Postgres makes one: the longer of its two parts is cut until it fits.

    PostgreSQL, src/backend/commands/indexcmds.c, makeObjectName; it counts bytes, and so do names in ASCII.
    """
    first, second = table, "_".join(columns)
    while len(first) + len(second) + len(label) + 2 > _LONGEST_NAME:
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    return f"{first}_{second}_{label}"
