"""What a script does to whole tables, how large they are, how long it may take, and whether others must wait.

A script says so in its head:

    -- outpost: rewrites events attempts     every row is written anew, and every index: nobody else may read or write
    -- outpost: checks attempts              every row is read, because a column must not be null: the same
    -- outpost: indexes attempts             indexes are built; others read and write, unless a pooler is in between
"""

from collections.abc import Sequence

import msgspec

from outpost.clients.postgres import Connection
from outpost.migrations.errors import Refused
from outpost.migrations.sql.postgres.advisory import pooled
from outpost.migrations.sql.script import Script

LARGE_BYTES = 1 << 30
"""Above it a table is locked for long only when that was allowed."""
AHEAD_BYTES = 8 << 20
"""Above it the indexes of a partition are built before the transaction that needs them."""

_WORK = {"rewrites": "writes every row and index anew", "checks": "reads every row", "indexes": "builds indexes"}
# Bytes of table and indexes in a second on a small cloud disk; a fast one takes half the time.
_BYTES_PER_SECOND = {"rewrites": 25 << 20, "checks": 250 << 20, "indexes": 60 << 20}
_BEFORE_5 = {"attempts": "deliveries"}

_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(t.relid)), 0)::bigint AS bytes,
       coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint AS rows
  FROM pg_partition_tree(to_regclass(quote_ident(current_schema()) || '.' || quote_ident($1))) AS t
  JOIN pg_class AS c ON c.oid = t.relid
 WHERE t.isleaf"""


class Labour(msgspec.Struct, frozen=True, kw_only=True):
    """What a script does to a whole table.

    Attributes:
        blocks: Nobody else reads or writes it meanwhile.
    """

    table: str
    how: str
    bytes: int
    rows: int
    blocks: bool

    @property
    def seconds(self) -> float:
        return self.bytes / _BYTES_PER_SECOND[self.how]

    def __str__(self) -> str:
        rows = f", about {self.rows:,} rows" if self.rows else ""
        what = f"{_WORK[self.how]} of {self.table} ({readable(self.bytes)}{rows})"
        seconds = f"about {max(self.seconds, 1):.0f} s"
        if not self.blocks:
            return f"{what} while others read and write it, {seconds}"
        return f"{what} under ACCESS EXCLUSIVE: nobody reads or writes it for {seconds}"


async def labours(connection: Connection, script: Script) -> Sequence[Labour]:
    """Return what the script does to whole tables; those that do not exist yet are left out."""
    found: list[Labour] = []
    for how in _WORK:
        blocks = how != "indexes" or await pooled(connection)
        for table in script.directives.get(how, "").split():
            for name in (table, _BEFORE_5.get(table, table)):
                row = await connection.fetchrow(_SIZE, name)
                if row is not None and row["bytes"]:
                    found.append(Labour(table=name, how=how, bytes=row["bytes"], rows=row["rows"], blocks=blocks))
                    break
    return found


async def refuse_long_locks(connection: Connection, script: Script, *, above_bytes: int) -> None:
    """Raises Refused if the script would lock a table that is larger."""
    large = [each for each in await labours(connection, script) if each.blocks and each.bytes > above_bytes]
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
