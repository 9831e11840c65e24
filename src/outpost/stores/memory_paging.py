"""Cutting a page out of rows held in memory."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from outpost.ports.paging import Page, PageRequest, Position

T = TypeVar("T")


def cut_page(rows: Iterable[T], request: PageRequest, position: Callable[[T], Position]) -> Page[T]:
    """Return the page that `request` asks for; the rows may come in any order."""
    backwards = request.before is not None
    ascending = (request.direction == "asc") != backwards
    border = request.before or request.after

    def sort_key(row: T) -> tuple[object, str]:
        place = position(row)
        return place.at, place.id

    ordered = sorted(rows, key=sort_key, reverse=not ascending)
    if border is not None:
        edge = (border.at, border.id)
        ordered = [row for row in ordered if (sort_key(row) > edge if ascending else sort_key(row) < edge)]
    items = ordered[: request.limit]
    return Page(items=items[::-1] if backwards else items, more=len(ordered) > request.limit)
