import pytest

from outpost.conformance.builders import START
from outpost.ports.paging import Page, PageRequest, Position
from outpost.stores.page_rows import PageRows

Row = tuple[int, str, bytes, None]


def a_row(number: int, size: int = 10) -> Row:
    return (number, "x" * (size // 2), b"x" * (size - size // 2), None)


def page_of(rows: list[Row], request: PageRequest, *, max_bytes: int = 1_000) -> tuple[Page[Row], int]:
    """Return the page, and how many rows were read for it."""
    page = PageRows[Row](request, max_bytes=max_bytes)
    read = 0
    for row in rows:
        read += 1
        if not page.take(row, row):
            break
    return page.page(), read


@pytest.mark.parametrize(("there", "taken", "more"), [(2, 2, False), (3, 3, False), (4, 3, True), (9, 3, True)])
def test_a_page_has_as_many_rows_as_asked_for(there: int, taken: int, more: bool) -> None:
    rows = [a_row(number) for number in range(there)]

    page, _ = page_of(rows, PageRequest(limit=3))

    assert page == Page(items=rows[:taken], more=more)


@pytest.mark.parametrize(("size", "taken", "more"), [(250, 4, False), (251, 3, True), (500, 2, True), (5_000, 1, True)])
def test_a_page_has_at_most_so_many_bytes_and_at_least_one_row(size: int, taken: int, more: bool) -> None:
    rows = [a_row(number, size) for number in range(4)]

    page, read = page_of(rows, PageRequest(limit=100))

    assert page == Page(items=rows[:taken], more=more)
    assert read == taken + more


def test_a_page_that_is_read_backwards_is_turned_round() -> None:
    rows = [a_row(number, 400) for number in range(4)]

    page, _ = page_of(rows, PageRequest(limit=100, before=Position(START, "x")))

    assert page == Page(items=[rows[1], rows[0]], more=True)
