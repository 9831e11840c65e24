"""Cutting a page out of a table.

Rows with the same key are one row, but until the server has merged them each may still be read. In the order of the key
they stand side by side, so repeats are dropped as the rows come. To have the server merge them while it reads (FINAL)
takes two to three times as long, and longer as the table grows: it cannot stop at the end of the page.
"""

from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from outpost.clients.clickhouse import ClickHouse, ResultTooLarge
from outpost.ports.log_store import TimeWindow
from outpost.ports.paging import Page, PageRequest
from outpost.stores.clickhouse_query import Conditions, Statement, select
from outpost.stores.clickhouse_values import Key, last_millisecond, next_millisecond
from outpost.stores.page_rows import PAGE_BYTES


class Keyed(Protocol):
    """A row that knows its place."""

    @property
    def key(self) -> Key: ...


Row = TypeVar("Row", bound=Keyed)


class PageQuery(NamedTuple, Generic[Row]):
    """What pages are cut from.

    Attributes:
        select: The query up to and without its WHERE clause.
        order: The columns of instant and id by which the rows are sorted.
        row: What a row is decoded as; its key is made of the same columns.
    """

    select: str
    conditions: Conditions
    order: tuple[str, str]
    row: type[Row]


def page_statement(query: PageQuery[Any], request: PageRequest, *, after: Key | None, limit: int) -> Statement:
    """Return the query for the first rows of a page, or for those that follow the row of the key `after` on it."""
    time, identity = query.order
    ascending = (request.direction == "asc") != (request.before is not None)
    beyond, way = (">", "ASC") if ascending else ("<", "DESC")
    conditions = query.conditions.copy()
    position = request.before or request.after
    if after is None and position is not None:
        millisecond = last_millisecond(position.at)
        if millisecond == next_millisecond(position.at):
            after = millisecond, position.id
        else:  # no row has this instant, so the id does not matter
            conditions.add_window(time, TimeWindow(gt=position.at) if ascending else TimeWindow(lt=position.at))
    if after is not None:
        instant = "fromUnixTimestamp64Milli({instant})"
        # The first of these is implied by the second; it is the one that an index serves.
        conditions.add(
            f"{time} {beyond}= {instant} AND ({time} {beyond} {instant} OR {identity} {beyond} {{id}})",
            instant=("Int64", after[0]),
            id=("String", after[1]),
        )
    return Statement(
        f"{query.select}\n WHERE {conditions.sql}\n ORDER BY {time} {way}, {identity} {way}\n LIMIT {limit}",
        conditions.parameters,
    )


async def fetch_page(
    clickhouse: ClickHouse, query: PageQuery[Row], request: PageRequest, *, max_bytes: int = PAGE_BYTES
) -> Page[Row]:
    """Return one page; it is shorter than asked for if its rows would take more than `max_bytes` as JSON."""
    wanted = request.limit + 1
    rows: dict[Key, Row] = {}
    last: Key | None = None
    while len(rows) < wanted:
        statement = page_statement(query, request, after=last, limit=wanted)
        try:
            found = await select(clickhouse, statement, query.row, max_bytes=max_bytes)
        except ResultTooLarge:
            if wanted == 2:
                raise
            wanted = 1 + wanted // 2
            continue
        for row in found:
            rows.setdefault(row.key, row)
        if len(found) < wanted:
            break
        last = found[-1].key
    items = list(rows.values())[: wanted - 1]
    return Page(items=items[::-1] if request.before is not None else items, more=len(rows) >= wanted)
