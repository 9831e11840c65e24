"""How long lists are read page by page.

A page is cut at a *position*: the sort key of one row, at full precision and with its id as tie-break, so that rows
of the same instant are neither skipped nor repeated. Cursors, the text form of a position, are made above the ports.
"""

from datetime import datetime
from typing import Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")

Direction = Literal["asc", "desc"]


class Position(msgspec.Struct, frozen=True):
    """The place of one row in an order by (`at`, `id`)."""

    at: datetime
    id: str


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which page is wanted. At most one of `after` and `before` is set; with neither it is the first page.

    Attributes:
        direction: Order of the rows by (time, id).
        after: The rows that follow this position in `direction`.
        before: The last rows ahead of this position in `direction`, still returned in `direction`.
    """

    limit: int
    direction: Direction = "desc"
    after: Position | None = None
    before: Position | None = None


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page.

    Attributes:
        more: Whether rows follow in the direction of reading (backwards for `before`).
    """

    items: list[T]
    more: bool
