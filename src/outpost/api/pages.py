"""Long lists, page by page: which page a query asks for, and the envelope it comes in."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from outpost.api.cursors import CursorKind, decode_cursor, encode_cursor
from outpost.api.errors import Problem, invalid_query
from outpost.api.query import Query
from outpost.ports.paging import Direction, Page, PageRequest, Position

T = TypeVar("T")

LOG_LIMIT = 100
LOG_MAX_LIMIT = 1000
TENANT_LIMIT = 20
TENANT_MAX_LIMIT = 100

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


def log_page(query: Query, kind: CursorKind) -> PageRequest:
    """Return the page of events or attempts that is asked for; a limit out of range is put right.

    Raises:
        Problem: A cursor, `dir` or `order_by` is not valid.
    """
    text = query.one("limit") or ""
    limit = int(text) if _INTEGER.fullmatch(text) else 0
    request = _page(query, kind, LOG_LIMIT if limit < 1 else min(limit, LOG_MAX_LIMIT))
    if query.one("order_by") not in (None, "time"):
        raise invalid_query("order_by", "must be one of: [time]")
    return request


def tenant_page(query: Query) -> PageRequest:
    """Return the page of tenants that is asked for.

    Raises:
        Problem: The limit is out of range; a cursor or `dir` is not valid.
    """
    text = query.one("limit")
    if text is None:
        return _page(query, CursorKind.TENANTS, TENANT_LIMIT)
    if not _INTEGER.fullmatch(text):
        raise Problem(400, "invalid limit: must be an integer")
    if not 1 <= int(text) <= TENANT_MAX_LIMIT:
        raise Problem(400, f"invalid limit: must be between 1 and {TENANT_MAX_LIMIT}")
    return _page(query, CursorKind.TENANTS, int(text))


def envelope(
    page: Page[T],
    request: PageRequest,
    *,
    kind: CursorKind,
    order_by: str,
    position: Callable[[T], Position],
    models: Sequence[Any],
) -> dict[str, Any]:
    """Return a page as it is served; `models` are its items, rendered."""
    following = previous = None
    if page.items:
        backwards = request.before is not None
        if page.more or backwards:
            following = encode_cursor(kind, position(page.items[-1]))
        if request.after is not None or (backwards and page.more):
            previous = encode_cursor(kind, position(page.items[0]))
    return {
        "models": models,
        "pagination": pagination(order_by, request.direction, request.limit, following, previous),
    }


def pagination(
    order_by: str, direction: Direction, limit: int, following: str | None = None, previous: str | None = None
) -> dict[str, Any]:
    return {"order_by": order_by, "dir": direction, "limit": limit, "next": following, "prev": previous}


def _page(query: Query, kind: CursorKind, limit: int) -> PageRequest:
    following, previous = query.one("next"), query.one("prev")
    if following and previous:
        raise Problem(400, "cannot specify both 'next' and 'prev' cursors")
    direction = _direction(query)
    opposite: Direction = "asc" if direction == "desc" else "desc"
    return PageRequest(
        limit=limit,
        direction=direction,
        after=decode_cursor(kind, following, reading=direction) if following else None,
        before=decode_cursor(kind, previous, reading=opposite) if previous else None,
    )


def _direction(query: Query) -> Direction:
    text = query.one("dir")
    if text == "asc":
        return "asc"
    if text in (None, "desc"):
        return "desc"
    raise invalid_query("dir", "must be 'asc' or 'desc'")
