"""`/tenants`: put, get, list, delete."""

from typing import Any

import pytest

from outpost.codec import cut_to_milliseconds, format_time
from tests.support.api import InProcessOutpost, a_publish, refused
from tests.support.builders import START_MILLISECOND
from tests.support.http import Answer

CREATED = format_time(START_MILLISECOND)


async def five_tenants(outpost: InProcessOutpost) -> None:
    for number in range(5):
        await outpost.api("PUT", f"/tenants/t{number}")
        outpost.clock.advance(seconds=1)


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [model["id"] for model in answer.json()["models"]]


async def test_an_unused_id_becomes_a_tenant(outpost: InProcessOutpost) -> None:
    """Scenario 18."""
    answer = await outpost.api("PUT", "/tenants/x")

    assert answer.status == 201
    assert answer.json() == {
        "id": "x",
        "destinations_count": 0,
        "topics": [],
        "created_at": CREATED,
        "updated_at": CREATED,
    }


async def test_putting_a_tenant_again_keeps_its_time_of_creation(outpost: InProcessOutpost) -> None:
    """Scenario 19; fault 14."""
    await outpost.api("PUT", "/tenants/x")
    later = format_time(cut_to_milliseconds(outpost.clock.advance(seconds=1.0009)))

    answer = await outpost.api("PUT", "/tenants/x")

    assert (answer.status, answer.json()["created_at"], answer.json()["updated_at"]) == (200, CREATED, later)
    assert (await outpost.api("GET", "/tenants/x")).json() == answer.json()


@pytest.mark.parametrize("raw", [b"{}", b'{"metadata":null}', b'{"metadata":{}}', b"", b"null", b"{} trailing"])
async def test_metadata_is_replaced_as_a_whole(outpost: InProcessOutpost, raw: bytes) -> None:
    """Scenario 20."""
    first = await outpost.api("PUT", "/tenants/x", {"metadata": {"a": "1"}})
    cleared = await outpost.api("PUT", "/tenants/x", raw=raw)

    assert first.json()["metadata"] == {"a": "1"}
    assert cleared.status == 200
    assert "metadata" not in cleared.json()


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("true", "true"),
        ("false", "false"),
        ("null", ""),
        ("1.5", "1.5"),
        ("1.50", "1.50"),
        ("42", "42"),
        ("-0", "-0"),
        ("1234567", "1234567"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.25e3", "1250"),
        ("1E-3", "0.001"),
        ("1e999999999", "1e999999999"),
        ('"x"', "x"),
        ('{"b":1,"a":2}', '{"a":2,"b":1}'),
        ('{"x-ok":"1","Zed":[1.0,"ü<"]}', '{"Zed":[1.0,"ü\\u003c"],"x-ok":"1"}'),
        ("[]", "[]"),
    ],
)
async def test_values_of_metadata_become_texts_and_lose_no_digit(
    outpost: InProcessOutpost, sent: str, stored: str
) -> None:
    """Scenario 21; fault 12."""
    answer = await outpost.api("PUT", "/tenants/x", raw=b'{"metadata":{"k":%s}}' % sent.encode())

    assert (answer.status, answer.json()["metadata"]) == (201, {"k": stored})


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b"{bad", "Expecting property name enclosed in double quotes at line 1, column 2"),
        (b"[]", "the body must be a JSON object"),
        (b'"x"', "the body must be a JSON object"),
        (b'{"metadata":"x"}', "metadata must be an object"),
        (b'{"metadata":[1]}', "metadata must be an object"),
        (b'{"metadata":7}', "metadata must be an object"),
        (b" ", "Expecting value at line 1, column 2"),
    ],
)
async def test_a_body_that_is_none_is_refused(outpost: InProcessOutpost, raw: bytes, data: str) -> None:
    """Scenario 22; fault 13."""
    answer = await outpost.api("PUT", "/tenants/x", raw=raw)

    assert (answer.status, answer.json()) == (422, refused(422, "invalid JSON", [data]))
    assert (await outpost.api("GET", "/tenants/x")).status == 404


async def test_a_tenant_may_put_itself_and_nobody_else(outpost: InProcessOutpost) -> None:
    """Scenario 23; fault 43."""
    token = await outpost.tenant("t1")

    own = await outpost.api("PUT", "/tenants/t1", {"metadata": {"a": "1"}}, token=token)
    new = await outpost.api("PUT", "/tenants/new", token=token)

    assert (own.status, own.json()["metadata"]) == (200, {"a": "1"})
    assert new.status == 403
    assert (await outpost.api("GET", "/tenants/new")).status == 404


@pytest.mark.parametrize("path", ["%01", "a%0Ab", "%C2%9F", "x" * 256, ".", "%2E%2E"])
async def test_an_id_that_could_not_be_used_in_a_path_is_refused(outpost: InProcessOutpost, path: str) -> None:
    """Fault 17."""
    answer = await outpost.api("PUT", f"/tenants/{path}")

    assert answer.status == 422
    assert answer.json()["data"] == [
        "tenant_id must have 1 to 255 characters, none of them a slash or a control character, and must not be . or .."
    ]


async def test_a_tenant_shows_what_its_destinations_want(outpost: InProcessOutpost) -> None:
    """Scenario 24."""
    await outpost.tenant("t1")
    await outpost.webhook("d1", topics=["user.updated"])
    await outpost.webhook("d2", topics=["user.created", "user.updated"], disabled_at="2020-01-01T00:00:00Z")

    two = (await outpost.api("GET", "/tenants/t1")).json()
    await outpost.webhook("d3", topics="*")
    three = (await outpost.api("GET", "/tenants/t1")).json()
    put = (await outpost.api("PUT", "/tenants/t1")).json()

    assert (two["topics"], two["destinations_count"]) == (["user.created", "user.updated"], 2)
    assert (three["topics"], three["destinations_count"]) == (["*"], 3)
    assert (put["topics"], put["destinations_count"]) == (["*"], 3)


async def test_a_deleted_tenant_is_gone_with_all_it_had(outpost: InProcessOutpost) -> None:
    """Scenario 25."""
    token = await outpost.tenant("t1")
    await outpost.webhook("d1")
    await outpost.publish("e1")

    deleted = await outpost.api("DELETE", "/tenants/t1")

    assert (deleted.status, deleted.json()) == (200, {"success": True})
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/destinations"), ("GET", "/destinations/d1/attempts")):
        answer = await outpost.api(method, f"/tenants/t1{path}")
        assert (answer.status, answer.json()) == (404, refused(404, "tenant not found"))
    assert (await outpost.api("GET", "/topics", token=token)).status == 401
    published = await outpost.api("POST", "/publish", a_publish(id="e2"))
    assert (published.status, published.json()["destination_ids"]) == (202, [])
    assert (await outpost.api("GET", "/events/e1")).status == 200
    again = await outpost.api("PUT", "/tenants/t1")
    assert (again.status, again.json()["destinations_count"]) == (201, 0)


async def test_a_tenant_may_delete_itself(outpost: InProcessOutpost) -> None:
    """Scenario 26; fault 43."""
    token = await outpost.tenant("t1")

    assert (await outpost.api("DELETE", "/tenants/t1", token=token)).status == 200
    assert (await outpost.api("DELETE", "/tenants/t1", token=token)).status == 401


async def test_an_unknown_tenant_is_404(outpost: InProcessOutpost) -> None:
    for method in ("GET", "DELETE"):
        answer = await outpost.api(method, "/tenants/nobody")

        assert (answer.status, answer.json()) == (404, refused(404, "tenant not found"))


async def test_tenants_are_listed_newest_first_page_by_page_and_back(outpost: InProcessOutpost) -> None:
    """Scenario 27; fault 27."""
    await five_tenants(outpost)

    pages: list[Any] = []
    path = "/tenants?limit=2"
    while True:
        answer = await outpost.api("GET", path)
        pages.append(answer.json())
        if answer.json()["pagination"]["next"] is None:
            break
        path = f"/tenants?limit=2&next={answer.json()['pagination']['next']}"

    assert [[model["id"] for model in page["models"]] for page in pages] == [["t4", "t3"], ["t2", "t1"], ["t0"]]
    assert [page["count"] for page in pages] == [5, 5, 5]
    assert [page["pagination"]["prev"] is None for page in pages] == [True, False, False]
    second = await outpost.api("GET", f"/tenants?limit=2&prev={pages[2]['pagination']['prev']}")
    first = await outpost.api("GET", f"/tenants?limit=2&prev={second.json()['pagination']['prev']}")
    assert second.json() == pages[1]
    assert first.json() == pages[0]


async def test_tenants_of_one_instant_are_each_listed_once(outpost: InProcessOutpost) -> None:
    """Fault 7."""
    for number in range(5):
        await outpost.api("PUT", f"/tenants/t{number}")

    for direction in ("asc", "desc"):
        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            answer = await outpost.api("GET", f"/tenants?limit=2&dir={direction}&next={cursor}")
            seen += ids(answer)
            cursor = answer.json()["pagination"]["next"]

        assert sorted(seen) == ["t0", "t1", "t2", "t3", "t4"]


async def test_the_envelope_of_a_list_tells_what_was_used(outpost: InProcessOutpost) -> None:
    await outpost.tenant("t1")

    answer = await outpost.api("GET", "/tenants?order_by=rubbish")

    page = {"order_by": "created_at", "dir": "desc", "limit": 20, "next": None, "prev": None}
    assert (answer.json()["pagination"], answer.json()["count"]) == (page, 1)


async def test_the_direction_of_a_list_can_be_turned(outpost: InProcessOutpost) -> None:
    """Scenario 28."""
    await five_tenants(outpost)

    ascending = await outpost.api("GET", "/tenants?dir=asc")
    wrong = await outpost.api("GET", "/tenants?dir=up")

    assert ids(ascending) == ["t0", "t1", "t2", "t3", "t4"]
    assert wrong.status == 422
    assert wrong.json() == refused(422, "validation error", {"query.dir": "must be 'asc' or 'desc'"})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "invalid limit: must be between 1 and 100"),
        ("limit=101", "invalid limit: must be between 1 and 100"),
        ("limit=-1", "invalid limit: must be between 1 and 100"),
        ("limit=abc", "invalid limit: must be an integer"),
        ("limit=1.5", "invalid limit: must be an integer"),
        ("limit=99999999999999999999", "invalid limit: must be an integer"),
        ("next=a&prev=b", "cannot specify both 'next' and 'prev' cursors"),
        ("next=zzz", "invalid cursor"),
        ("prev=%21", "invalid cursor"),
        ("next=" + "a" * 5000, "invalid cursor"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(outpost: InProcessOutpost, query: str, message: str) -> None:
    """Scenario 29; fault 7."""
    answer = await outpost.api("GET", f"/tenants?{query}")

    assert (answer.status, answer.json()) == (400, refused(400, message))


@pytest.mark.parametrize("query", ["limit=1", "limit=100", "limit=", "limit=%2B5", "next=&prev=", "dir="])
async def test_a_page_at_the_bounds_is_served(outpost: InProcessOutpost, query: str) -> None:
    assert (await outpost.api("GET", f"/tenants?{query}")).status == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("id=t1&id=t3", ["t3", "t1"]),
        ("id[]=t1", ["t1"]),
        ("id%5B%5D=t1&id%5b%5d=t2", ["t2", "t1"]),
        ("id[0]=t1&id[7]=nope", ["t1"]),
        ("id=we.ird-id", ["we.ird-id"]),
        ("id=t1,t2", []),
        ("id=nope", []),
        ("id=", []),
        ("id[x]=t1", ["we.ird-id", "t4", "t3", "t2", "t1", "t0"]),
    ],
)
async def test_tenants_can_be_chosen_by_id(outpost: InProcessOutpost, query: str, found: list[str]) -> None:
    """Scenarios 30 and 31."""
    await five_tenants(outpost)
    await outpost.api("PUT", "/tenants/we.ird-id")

    answer = await outpost.api("GET", f"/tenants?{query}")

    assert (ids(answer), answer.json()["count"]) == (found, len(found))


async def test_a_tenant_sees_itself_in_the_list_whatever_it_asks_for(outpost: InProcessOutpost) -> None:
    """Scenario 32; fault 6."""
    token = await outpost.tenant("t1")
    await outpost.tenant("t2")

    answer = await outpost.api("GET", "/tenants?limit=500&dir=up&id=t2", token=token)

    assert answer.status == 200
    assert answer.json() == {
        "models": [(await outpost.api("GET", "/tenants/t1")).json()],
        "pagination": {"order_by": "created_at", "dir": "desc", "limit": 20, "next": None, "prev": None},
        "count": 1,
    }
