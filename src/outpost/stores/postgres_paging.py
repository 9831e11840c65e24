"""Cutting a page out of a table."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from outpost.clients.postgres import Connection, Row
from outpost.ports.paging import Page, PageRequest
from outpost.stores.page_rows import PAGE_BYTES, PageRows

_FIRST, _LAST = "'0001-01-01 00:00:00+00'", "'9999-12-31 23:59:59.999999+00'"
"""What we can read. Postgres knows more instants, and the reference stores some of them: its year 0 is 1 BC there, and
the end of 9999 in the far west lies in the year 10000."""

_PORTION = 50
"""Rows that are read at once, large or not. Most pages are two portions."""


class Statement(NamedTuple):
    """A statement and its parameters, written `$1` in it."""

    sql: str
    parameters: Sequence[Any]


class Conditions:
    """The WHERE clause of a query, with its parameters."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.parameters: list[Any] = []

    @property
    def sql(self) -> str:
        return " AND ".join(self._conditions or ["TRUE"])

    def add(self, condition: str, *parameters: Any) -> None:
        """Add a condition, in which `{}` stands for each of its parameters."""
        first = len(self.parameters) + 1
        self._conditions.append(condition.format(*(f"${first + index}" for index in range(len(parameters)))))
        self.parameters += parameters

    def add_any_of(self, column: str, texts: Sequence[str] | None) -> None:
        """Let `column` have one of `texts`; None is no condition."""
        if texts is None:
            return
        wanted = storable(texts)
        if len(wanted) == 1:  # an equality, so that an index on (column, time, id) also gives the order
            self.add(f"{column} = {{}}", wanted[0])
        else:
            self.add(f"{column} = ANY({{}}::text[])", wanted)


def storable(texts: Sequence[str]) -> list[str]:
    """Leave out what no column can hold, and no query may therefore ask for: NUL, and surrogates on their own."""
    return [text for text in texts if "\0" not in text and text == text.encode(errors="ignore").decode()]


def readable(column: str) -> str:
    """Return an expression for an instant that we can read: the nearest to the one in `column`."""
    return f"LEAST(GREATEST({column}, {_FIRST}), {_LAST})"


def page_statement(select: str, conditions: Conditions, request: PageRequest, *, order: tuple[str, str]) -> Statement:
    """Return the query for one page. Rows whose instant we cannot read have no place in the order and are left out.

    Args:
        select: The query up to and without its WHERE clause.
        order: The columns of instant and id by which the rows are sorted. They are compared as one, as an index on
            both can.
    """
    time, identity = order
    conditions.add(f"{time} >= {_FIRST} AND {time} <= {_LAST}")
    ascending = (request.direction == "asc") != (request.before is not None)
    beyond, way = (">", "ASC") if ascending else ("<", "DESC")
    border = request.before or request.after
    if border is not None:
        conditions.add(f"({time}, {identity}) {beyond} ({{}}, {{}})", border.at, border.id)
    limit = f"${len(conditions.parameters) + 1}"
    return Statement(
        f"{select}\n WHERE {conditions.sql}\n ORDER BY {time} {way}, {identity} {way}\n LIMIT {limit}",
        [*conditions.parameters, request.limit + 1],
    )


async def fetch_page(
    connection: Connection, statement: Statement, request: PageRequest, *, max_bytes: int = PAGE_BYTES
) -> Page[Row]:
    """Run what `page_statement` returned; the page is shorter than asked for if its rows have more than `max_bytes`."""
    page = PageRows[Row](request, max_bytes=max_bytes)
    async with connection.transaction(readonly=True):  # without one, rows cannot be read in portions
        async for row in connection.cursor(statement.sql, *statement.parameters, prefetch=_PORTION):
            if not page.take(row, row.values()):
                break
    return page.page()
