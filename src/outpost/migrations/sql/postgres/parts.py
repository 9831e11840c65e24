"""A script as Postgres runs it: parts that are one transaction each, and statements that go over a table in batches.

    -- outpost: batches deliveries 5000
    UPDATE deliveries ... WHERE time BETWEEN $1 AND $3 AND (time, id) > ($1, $2) AND (time, id) <= ($3, $4) AND ... ;

is run again and again, each time for the next 5000 rows of the table in the order of its key (time, id), each time in a
transaction of its own that also records the last of them. It must leave alone the rows that it has already done. The
first condition says nothing new: by the others alone, Postgres expects a ninth of the table and reads all of it.

    -- outpost: sweep
    LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE;

is followed by one more run of each batched statement before it, over the whole table: it does what others wrote behind
the batches. All other statements are run as they are; those between two batched statements are one part. `apart` before
a statement begins another part; for `ahead` see `ahead.py`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from outpost.migrations.errors import MigrationError
from outpost.migrations.sql.postgres.ahead import Ahead, ahead_of
from outpost.migrations.sql.script import Script, Statement


class Batches(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that goes over a table.

    Attributes:
        number: Position of the statement in its script, from 0.
    """

    number: int
    statement: Statement
    table: str
    size: int


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Statements of one transaction.

    Attributes:
        number: Position of the first statement in its script, from 0.
        sweeps: What to run once more after the statement that carries `sweep`.
        ahead: Indexes to build before the transaction, by the position of the statement that needs them.
    """

    number: int
    statements: Sequence[Statement]
    sweeps: Sequence[Batches] = ()
    ahead: Mapping[int, Ahead] = {}


def parts_of(script: Script) -> Sequence[Part | Batches]:
    """Raises MigrationError if a directive cannot be understood."""
    found: list[Part | Batches] = []
    batched: list[Batches] = []
    together: list[Statement] = []

    def close(end: int) -> None:
        if together:
            start = end - len(together)
            wanted = {start + place: ahead_of(script, start + place, each) for place, each in enumerate(together)}
            ahead = {place: each for place, each in wanted.items() if each is not None}
            found.append(Part(number=start, statements=tuple(together), sweeps=tuple(batched), ahead=ahead))
            together.clear()

    for number, statement in enumerate(script.statements):
        wanted = statement.directives.get("batches")
        if wanted is None:
            if "apart" in statement.directives:
                close(number)
            together.append(statement)
            continue
        close(number)
        table, _, size = wanted.partition(" ")
        if not table.isidentifier() or not size.isdigit():
            where = f"{script.file}, line {statement.line}"
            raise MigrationError(f"{where}: `batches {wanted}` is not `batches TABLE ROWS`")
        batched.append(Batches(number=number, statement=statement, table=table, size=int(size)))
        found.append(batched[-1])
    close(len(script.statements))
    return found
