"""The rows of one page, taken until it is as long or as large as a page may be."""

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from outpost.ports.paging import Page, PageRequest

PAGE_BYTES = 32 * 1024 * 1024
"""A thousand events of ten megabytes each are more than a server has memory for, and more than a client waits for."""

Row = TypeVar("Row")


class PageRows(Generic[Row]):
    """Takes rows as they are read, up to the first that does not belong to the page any more.

    A page has at least one row, however large.
    """

    def __init__(self, request: PageRequest, *, max_bytes: int = PAGE_BYTES) -> None:
        self._request = request
        self._room = max_bytes
        self._rows: list[Row] = []
        self._more = False

    def take(self, row: Row, values: Iterable[Any]) -> bool:
        """Add a row; return False, once and for all, if the page is full without it.

        Args:
            values: The columns of the row.
        """
        self._room -= sum([len(value) for value in values if isinstance(value, str | bytes)])
        if len(self._rows) >= self._request.limit or (self._rows and self._room < 0):
            self._more = True
            return False
        self._rows.append(row)
        return True

    def page(self) -> Page[Row]:
        rows: Sequence[Row] = self._rows
        return Page(items=list(reversed(rows) if self._request.before is not None else rows), more=self._more)
