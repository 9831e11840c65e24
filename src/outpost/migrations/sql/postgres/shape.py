"""The shape of the log tables: what the catalog shows, and what each version of the line makes.

A shape is a set of sentences, such as

    table events partitioned by RANGE ("time")
    column events.id text NOT NULL
    order events: id, tenant_id, time
    partition events_default of events DEFAULT
    index events_pkey on events PRIMARY KEY btree ("time", id)

`shapes.txt` holds, for each version, the sentences it adds to (+) and takes from (-) the shape before. Partitions that
the operator made are no part of a shape; Postgres itself keeps their columns and indexes like those of the table.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import msgspec

from outpost.clients.postgres import Connection, Row

_NAMES = ("events", "deliveries", "attempts", "event_delivery_index")

_TABLES = """
SELECT c.oid, c.relname, pg_get_partkeydef(c.oid) AS key, p.relname AS parent,
       pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' AS is_default
  FROM pg_class AS c
  LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
  LEFT JOIN pg_class AS p ON p.oid = i.inhparent
 WHERE c.relnamespace = current_schema()::regnamespace
   AND c.relkind IN ('r', 'p')
   AND (c.relname = ANY ($1) OR p.relname = ANY ($1) AND pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT')
 ORDER BY c.relname"""
_COLUMNS = """
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
       a.attgenerated <> '' AS generated, pg_get_expr(d.adbin, d.adrelid) AS default_value
  FROM pg_attribute AS a
  LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum"""
_INDEXES = """
SELECT i.indrelid, c.relname, i.indisunique, i.indisprimary, i.indisvalid, pg_get_indexdef(i.indexrelid) AS definition
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
 WHERE i.indrelid = ANY ($1::oid[])"""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """How a database differs from the shape of a version.

    Attributes:
        missing: Sentences that should be true.
        foreign: Sentences of no version: the operator's own, or another program's.
        older: Sentences that are true of other versions only.
    """

    missing: Sequence[str]
    foreign: Sequence[str]
    older: Sequence[str]

    def sentences(self) -> Sequence[str]:
        """Return what keeps it from fitting, in words."""
        return [f"missing: {text}" for text in self.missing] + [f"of another version: {text}" for text in self.older]

    @property
    def fits(self) -> bool:
        """Whether the version's own files have run, all and no others; additions of the operator do no harm."""
        return not [sentence for sentence in (*self.missing, *self.older) if not sentence.startswith("order ")]


async def read_shape(connection: Connection) -> frozenset[str]:
    """Return what the catalog shows of the log tables in the current schema."""
    tables = await connection.fetch(_TABLES, list(_NAMES))
    names = {table["oid"]: table["relname"] for table in tables}
    sentences: list[str] = []
    for table in tables:
        if table["key"]:
            sentences.append(f"table {table['relname']} partitioned by {table['key']}")
        elif table["is_default"]:
            sentences.append(f"partition {table['relname']} of {table['parent']} DEFAULT")
        else:
            sentences.append(f"table {table['relname']}")
    columns = await connection.fetch(_COLUMNS, list(names))
    sentences += [_column(names[row["attrelid"]], row) for row in columns]
    for oid, name in names.items():
        order = ", ".join(row["attname"] for row in columns if row["attrelid"] == oid)
        sentences.append(f"order {name}: {order}")
    for row in await connection.fetch(_INDEXES, list(names)):
        kind = "PRIMARY KEY " if row["indisprimary"] else "UNIQUE " if row["indisunique"] else ""
        broken = "" if row["indisvalid"] else " INVALID"
        definition = row["definition"].partition(" USING ")[2]
        sentences.append(f"index {row['relname']} on {names[row['indrelid']]} {kind}{definition}{broken}")
    return frozenset(sentences)


def _column(table: str, row: Row) -> str:
    text = f"column {table}.{row['attname']} {row['type']}"
    if row["required"]:
        text += " NOT NULL"
    if row["generated"]:
        return text + " GENERATED"  # servers of different versions print the expression differently
    return text + (f" DEFAULT {row['default_value']}" if row["default_value"] is not None else "")


@cache
def shapes() -> Sequence[frozenset[str]]:
    """Return the shape of every version; the one at 0 is empty."""
    text = files("outpost.migrations").joinpath("sql", "postgres", "shapes.txt").read_text("utf-8")
    found: list[frozenset[str]] = [frozenset()]
    for line in text.splitlines():
        sign, _, sentence = line.partition(" ")
        match sign:
            case "version":
                found.append(found[-1])
            case "+":
                found[-1] |= {sentence}
            case "-":
                found[-1] -= {sentence}
            case _:
                pass
    return found


def drift(found: frozenset[str], version: int) -> Drift:
    """Compare what the catalog shows with a version."""
    wanted = shapes()[version]
    known = frozenset[str]().union(*shapes())
    return Drift(
        missing=sorted(wanted - found),
        foreign=sorted(found - known),
        older=sorted((found & known) - wanted),
    )
