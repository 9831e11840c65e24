"""Pages of events and attempts: every row once, forwards and back."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.api import InProcessOutpost, refused


@pytest.fixture
async def ten(outpost: InProcessOutpost) -> InProcessOutpost:
    """Ten events a second apart, e0 to e9, each delivered to one webhook of tenant t1."""
    await events(outpost, timedelta(seconds=1))
    return outpost


async def events(outpost: InProcessOutpost, apart: timedelta) -> None:
    await outpost.tenant("t1")
    await outpost.webhook("w1")
    for number in range(10):
        await outpost.publish(f"e{number}")
        outpost.clock.now += apart


async def a_walk(outpost: InProcessOutpost, path: str, query: str) -> list[list[str]]:
    """Follow `next` to the end, then `prev` back, and see the same pages again."""
    pages: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        answer = await outpost.api("GET", f"{path}?{query}&next={cursor}")
        assert answer.status == 200, answer.body
        pages.append(answer.json())
        cursor = answer.json()["pagination"]["next"]
        assert len(pages) < 20
    assert [page["pagination"]["prev"] is None for page in pages] == [True] + [False] * (len(pages) - 1)
    for later, earlier in zip(pages[:0:-1], pages[-2::-1], strict=True):
        back = await outpost.api("GET", f"{path}?{query}&prev={later['pagination']['prev']}")
        assert back.json() == earlier
    return [[model["id"] for model in page["models"]] for page in pages]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("apart", [timedelta(seconds=1), timedelta(microseconds=100), timedelta(0)])
@pytest.mark.parametrize("path", ["/events", "/attempts"])
async def test_every_row_is_on_one_page_however_close_they_are(
    outpost: InProcessOutpost, path: str, apart: timedelta, direction: str
) -> None:
    """Scenarios 114 and 115; fault 7."""
    await events(outpost, apart)
    every = [f"e{number}" for number in range(10)]
    if path == "/attempts":
        every = [f"atm_{number:06}" for number in range(1, 11)]

    pages = await a_walk(outpost, path, f"limit=3&dir={direction}")

    assert [len(page) for page in pages] == [3, 3, 3, 1]
    assert [row for page in pages for row in page] == (every if direction == "asc" else every[::-1])


async def test_pages_stay_within_the_window(ten: InProcessOutpost) -> None:
    """Scenario 114."""
    window = "time[gte]=2026-01-02T03:04:07Z&time[lt]=2026-01-02T03:04:12Z"
    pages = await a_walk(ten, "/events", f"limit=2&{window}")

    assert pages == [["e6", "e5"], ["e4", "e3"], ["e2"]]


async def test_an_empty_page_has_no_cursors(ten: InProcessOutpost) -> None:
    cursor = (await ten.api("GET", "/events?limit=1&dir=asc")).json()["pagination"]["next"]

    for query in ("tenant_id=nope", f"tenant_id=nope&next={cursor}", f"tenant_id=nope&prev={cursor}"):
        page = (await ten.api("GET", f"/events?{query}")).json()["pagination"]
        assert (page["next"], page["prev"]) == (None, None)


async def test_a_cursor_of_another_list_is_refused(ten: InProcessOutpost) -> None:
    """Scenario 116."""
    await ten.tenant("t2")
    lists = ("/events", "/attempts", "/tenants")
    cursors = {path: (await ten.api("GET", f"{path}?limit=1")).json()["pagination"]["next"] for path in lists}

    for path in lists:
        for other, cursor in cursors.items():
            answer = await ten.api("GET", f"{path}?limit=1&next={cursor}")
            assert answer.status == (200 if other == path else 400)
            assert other == path or answer.json() == refused(400, "invalid cursor")
