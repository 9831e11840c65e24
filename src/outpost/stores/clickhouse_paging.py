"""Cutting a page out of a table.

Rows with the same key are one row, but until the server has merged them each may still be read. In the order of the key
they stand side by side, so repeats are dropped as the rows come. To have the server merge them while it reads (FINAL)
takes two to three times as long, and longer as the table grows: it cannot stop at the end of the page.
"""

from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from outpost.clients.clickhouse import ClickHouse, ResultTooLarge
from outpost.ports.log_store import TimeWindow
from outpost.ports.paging import Page, PageRequest
from outpost.stores.clickhouse_query import MAX_BYTES, Conditions, Statement, select
from outpost.stores.clickhouse_values import Key, last_millisecond, next_millisecond


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


async def fetch_page(
    clickhouse: ClickHouse, query: PageQuery[Row], request: PageRequest, *, max_bytes: int = MAX_BYTES
) -> Page[Row]:
    """Return one page; it is shorter than asked for if its rows would take more than `max_bytes` as JSON."""
    ascending = (request.direction == "asc") != (request.before is not None)
    border = _first_border(query, request, ascending=ascending)
    wanted = request.limit + 1
    rows: dict[Key, Row] = {}
    while len(rows) < wanted:
        statement = _part(query, border, ascending=ascending, limit=wanted)
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
        border = found[-1].key
    items = list(rows.values())[: wanted - 1]
    return Page(items=items[::-1] if request.before is not None else items, more=len(rows) >= wanted)


def _first_border(query: PageQuery[Any], request: PageRequest, *, ascending: bool) -> Key | None:
    """Return the key beyond which the rows of a page lie, or add a condition that says so."""
    position = request.before or request.after
    if position is None:
        return None
    millisecond = last_millisecond(position.at)
    if millisecond == next_millisecond(position.at):
        return millisecond, position.id
    # No row can have this instant, so the id does not matter.
    beyond = TimeWindow(gt=position.at) if ascending else TimeWindow(lt=position.at)
    query.conditions.add_window(query.order[0], beyond)
    return None


def _part(query: PageQuery[Any], border: Key | None, *, ascending: bool, limit: int) -> Statement:
    time, identity = query.order
    beyond, way = (">", "ASC") if ascending else ("<", "DESC")
    where, parameters = query.conditions.sql, dict(query.conditions.parameters)
    if border is not None:
        parameters |= {"border_time": border[0], "border_id": border[1]}
        instant, id_ = "fromUnixTimestamp64Milli({border_time:Int64})", "{border_id:String}"
        # The first of these is implied by the second; it is the one that an index serves.
        where += f" AND {time} {beyond}= {instant} AND ({time} {beyond} {instant} OR {identity} {beyond} {id_})"
    return Statement(
        f"{query.select}\n WHERE {where}\n ORDER BY {time} {way}, {identity} {way}\n LIMIT {limit}", parameters
    )
