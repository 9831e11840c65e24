"""Which tables a script holds locked for long, how large they are, and how long it may take.

A script says so in its head:

    -- outpost: rewrites events attempts     every row is written anew, and every index: nobody else may read or write
    -- outpost: indexes attempts             indexes are built or columns checked: others may read, or not even that
"""

from collections.abc import Sequence

import msgspec

from outpost.clients.postgres import Connection
from outpost.migrations.errors import Refused
from outpost.migrations.sql.script import Script

LARGE_BYTES = 1 << 30

_WORK = {"rewrites": "writes every row and index anew", "indexes": "builds indexes"}
# Bytes of table and indexes in a second on a small cloud disk; a fast one takes half the time.
_BYTES_PER_SECOND = {"rewrites": 25 << 20, "indexes": 60 << 20}
_BEFORE_5 = {"attempts": "deliveries"}

_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(t.relid)), 0)::bigint AS bytes,
       coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint AS rows
  FROM pg_partition_tree(to_regclass(quote_ident(current_schema()) || '.' || quote_ident($1))) AS t
  JOIN pg_class AS c ON c.oid = t.relid
 WHERE t.isleaf"""


class Blocking(msgspec.Struct, frozen=True, kw_only=True):
    """A table that a script keeps others from."""

    table: str
    how: str
    bytes: int
    rows: int

    @property
    def seconds(self) -> float:
        return self.bytes / _BYTES_PER_SECOND[self.how]

    def __str__(self) -> str:
        rows = f", about {self.rows:,} rows" if self.rows else ""
        return (
            f"{_WORK[self.how]} of {self.table} ({readable(self.bytes)}{rows}) under ACCESS EXCLUSIVE: nobody reads or "
            f"writes it for about {max(self.seconds, 1):.0f} s"
        )


async def blocking(connection: Connection, script: Script) -> Sequence[Blocking]:
    """Return what the script blocks; tables that do not exist yet are left out."""
    found: list[Blocking] = []
    for how in _WORK:
        for table in script.directives.get(how, "").split():
            for name in (table, _BEFORE_5.get(table, table)):
                row = await connection.fetchrow(_SIZE, name)
                if row is not None and row["bytes"]:
                    found.append(Blocking(table=name, how=how, bytes=row["bytes"], rows=row["rows"]))
                    break
    return found


async def refuse_long_locks(connection: Connection, script: Script, *, above_bytes: int) -> None:
    """Raises Refused if the script would lock a table that is larger."""
    large = [each for each in await blocking(connection, script) if each.bytes > above_bytes]
    if large:
        raise Refused(
            f"{script.file} {'; '.join(map(str, large))}. Stop what writes to it, or choose a quiet hour, and run: "
            "outpost migrate apply --allow-blocking"
        )


async def table_rows(connection: Connection, table: str) -> int | None:
    """Return the server's estimate of the rows of a table; None if it has none."""
    row = await connection.fetchrow(_SIZE, table)
    return int(row["rows"]) if row is not None and row["rows"] else None


def readable(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
