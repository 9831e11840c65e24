"""Cutting a page out of a table."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from typing import Any

from outpost.codec import write_json
from outpost.ports.paging import Page, PageRequest
from outpost.stores.page_rows import PAGE_BYTES, PageRows

Row = tuple[Any, ...]


class Conditions:
    """The WHERE clause of a query, with its parameters.

    A leading `+` before a column, as in `+e.tenant_key`, keeps SQLite from choosing an index for that column: where
    several conditions have one, we know better which of them selects least.
    """

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.parameters: list[Any] = []

    @property
    def sql(self) -> str:
        return " AND ".join(["TRUE", *self._conditions])

    def add(self, condition: str, *parameters: Any) -> None:
        self._conditions.append(condition)
        self.parameters += parameters

    def add_any_of(self, column: str, values: Iterable[int | str] | None) -> None:
        """Let `column` have one of `values`; None is no condition."""
        if values is None:
            return
        listed = list(values)
        if len(listed) == 1:  # an equality, so that an index on (column, time) also gives the order
            self.add(f"{column} = ?", listed[0])
        else:
            self.add(f"{column} IN (SELECT value FROM json_each(?))", write_json(listed))


def fetch_page(
    connection: sqlite3.Connection,
    select: str,
    conditions: Conditions,
    request: PageRequest,
    *,
    order: tuple[str, str],
    stored: Callable[[datetime], int],
    max_bytes: int = PAGE_BYTES,
) -> Page[Row]:
    """Run a query for one page, which is shorter than asked for if its rows would have more than `max_bytes`.

    Args:
        select: The query up to and without its WHERE clause.
        order: The columns of instant and id by which the rows are sorted.
        stored: How an instant is stored in the first of them.
    """
    time, identity = order
    ascending = (request.direction == "asc") != (request.before is not None)
    beyond, way = (">", "ASC") if ascending else ("<", "DESC")
    border = request.before or request.after
    if border is not None:
        at = stored(border.at)
        conditions.add(f"{time} {beyond}= ? AND (+{time} {beyond} ? OR +{identity} {beyond} ?)", at, at, border.id)
    page = PageRows[Row](request, max_bytes=max_bytes)
    found = connection.execute(
        f"{select} WHERE {conditions.sql} ORDER BY {time} {way}, {identity} {way} LIMIT ?",
        (*conditions.parameters, request.limit + 1),
    )
    with closing(found):  # the rest is not read
        for row in found:
            if not page.take(row, row):
                break
    return page.page()
