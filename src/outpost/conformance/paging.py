"""Walking through a list page by page, as clients do."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from outpost.ports.paging import Direction, Page, PageRequest, Position

T = TypeVar("T")


async def walk_there_and_back(
    read: Callable[[PageRequest], Awaitable[Page[T]]],
    position: Callable[[T], Position],
    *,
    limit: int,
    direction: Direction,
) -> tuple[list[list[T]], list[list[T]]]:
    """Read all pages from the first to the last, then back again.

    Returns:
        The pages in the order of the list: as they were met on the way there, and on the way back, which starts at the
        first row of the last page.
    """
    first = await read(PageRequest(limit=limit, direction=direction))
    there = [first.items]
    page = first
    while page.more:
        request = PageRequest(limit=limit, direction=direction, after=position(page.items[-1]))
        page = await read(request)
        there.append(page.items)
    back = [page.items]
    more = bool(page.items)
    while more:
        request = PageRequest(limit=limit, direction=direction, before=position(back[0][0]))
        page = await read(request)
        more = page.more
        if page.items:
            back.insert(0, page.items)
    return there, back
