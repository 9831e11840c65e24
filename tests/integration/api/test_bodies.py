"""Bodies that are not what they should be, on every route that reads one."""

import json

import pytest

from tests.support.api import InProcessOutpost, invalid, refused

ROUTES = [
    ("PUT", "/tenants/t1"),
    ("POST", "/tenants/t1/destinations"),
    ("PATCH", "/tenants/t1/destinations/d1"),
    ("POST", "/publish"),
    ("POST", "/publish?long"),
    ("POST", "/retry"),
]
DEEP = 40_000
"""Levels; as many as a body of the management API has room for."""


def a_nest(opening: bytes, inner: bytes, closing: bytes, levels: int) -> bytes:
    return opening * levels + inner + closing * levels


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b"{", "Expecting property name enclosed in double quotes at line 1, column 2"),
        (b'{"a":1', None),
        (b"[]", "the body must be a JSON object"),
        (b"5", "the body must be a JSON object"),
        (b"NaN", "NaN is not JSON at line 1, column 1"),
        (b'{"a":Infinity}', "Infinity is not JSON at line 1, column 1"),
        (b'{"a":"\x00"}', None),
        (b"\xff\xfe", "the body must be UTF-8 text"),
        (b'{"a":"\xed\xa0\x80"}', "the body must be UTF-8 text"),
        (b"\xef\xbb\xbf{}", "Expecting value at line 1, column 1"),
        (b'{"a":"\\ud800"}', "a holds half of a surrogate pair"),
        (b'{"\\ud800":1}', "\ufffd holds half of a surrogate pair"),
        (a_nest(b"[", b"", b"]", DEEP), "the body is nested too deeply"),
        (a_nest(b'{"a":', b"1", b"}", DEEP), "the body is nested too deeply"),
        (b'{"a":' + a_nest(b"[", b"", b"]", 200) + b"}", "the body is nested too deeply"),
        (b"[" * DEEP, None),
    ],
)
async def test_what_is_no_json_is_refused_with_the_place_of_the_mistake(
    outpost: InProcessOutpost, method: str, path: str, raw: bytes, data: str | None
) -> None:
    """Scenarios 22, 38 and 67; fault 13."""
    await outpost.tenant("t1")
    await outpost.webhook("d1")

    answer = await outpost.api(method, path, raw=raw)

    assert (answer.status, answer.json()["message"]) == (422, "invalid JSON")
    if data is not None:  # elsewhere the words are a parser's, and differ between releases of Python
        assert answer.json() == refused(422, "invalid JSON", [data])


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] != "PUT"])
async def test_a_body_that_is_missing_is_no_json(outpost: InProcessOutpost, method: str, path: str) -> None:
    """Scenario 38."""
    await outpost.tenant("t1")
    await outpost.webhook("d1")

    answer = await outpost.api(method, path, raw=b"")

    assert (answer.status, answer.json()["message"]) == (422, "invalid JSON")


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b'{"metadata":{"k":"\\u0000"}}', "metadata must not contain NUL characters"),
        (b'{"metadata":{"\\u0000":"k"}}', "metadata must not contain NUL characters"),
        (b'{"config":{"k":[{"l":"\\u0000"}]}}', "config must not contain NUL characters"),
        (b'{"id":"a\\u0000b"}', "id must not contain NUL characters"),
    ],
)
async def test_a_nul_is_refused_wherever_it_would_be_stored(
    outpost: InProcessOutpost, method: str, path: str, raw: bytes, sentence: str
) -> None:
    await outpost.tenant("t1")
    await outpost.webhook("d1")

    answer = await outpost.api(method, path, raw=raw)

    assert (answer.status, answer.json()) == (422, invalid(sentence))


async def test_a_nul_in_the_data_of_an_event_is_the_receivers_business(outpost: InProcessOutpost) -> None:
    await outpost.tenant("t1")
    await outpost.webhook("d1")
    raw = b'{"tenant_id":"t1","topic":"user.created","id":"e1","data":{"a":"\\u0000"}}'

    answer = await outpost.api("POST", "/publish", raw=raw)
    await outpost.attempted(1)

    assert answer.status == 202
    assert outpost.receivers.received[0].event.data == b'{"a":"\\u0000"}'


@pytest.mark.parametrize(("opening", "inner", "closing"), [(b"[", b"", b"]"), (b'{"a":', b"1", b"}")])
@pytest.mark.parametrize("levels", [100, 300, 480, 600, 900, 990, 1_500])
@pytest.mark.parametrize(("method", "path", "member"), [("PUT", "/tenants/t1", b"metadata"), ("PATCH", "", b"filter")])
async def test_no_depth_of_a_stored_value_brings_the_server_down(
    outpost: InProcessOutpost,
    method: str,
    path: str,
    member: bytes,
    opening: bytes,
    inner: bytes,
    closing: bytes,
    levels: int,
) -> None:
    await outpost.tenant("t1")
    await outpost.webhook("d1")
    raw = b'{"%s":{"k":%s}}' % (member, a_nest(opening, inner, closing, levels))

    answer = await outpost.api(method, path or "/tenants/t1/destinations/d1", raw=raw)

    assert answer.status == (200 if levels == 100 and member == b"metadata" else 422)


@pytest.mark.parametrize("levels", [100, 300, 480, 600, 900, 990, 1_500])
@pytest.mark.parametrize("road", ["", "?long"])
async def test_data_of_any_depth_is_delivered_or_refused(outpost: InProcessOutpost, levels: int, road: str) -> None:
    await outpost.tenant("t1")
    await outpost.webhook("d1", filter={"data": {"k": {"$exist": True}}})
    data = b'{"k":%s}' % a_nest(b"[", b"", b"]", levels)
    raw = b'{"tenant_id":"t1","topic":"user.created","id":"e1","data":%s}' % data

    answer = await outpost.api("POST", f"/publish{road}", raw=raw)

    assert answer.status in (202, 422)
    if answer.status == 202 and answer.json()["destination_ids"]:
        await outpost.attempted(1)
        assert outpost.receivers.received[0].event.data == data
        assert (await outpost.api("GET", "/events")).status == 200


async def test_the_last_of_two_members_of_one_name_counts(outpost: InProcessOutpost) -> None:
    tenant = await outpost.api("PUT", "/tenants/t1", raw=b'{"metadata":{"a":"1"},"metadata":{"a":"2","a":"3"}}')
    await outpost.webhook("d1")
    for road in ("", "?long"):
        raw = b'{"tenant_id":"t0","tenant_id":"t1","topic":"user.created","data":1,"data":{"n":1},"id":"%s"}'
        published = await outpost.api("POST", f"/publish{road}", raw=raw % (b"e" + road[1:].encode()))

        assert (published.status, published.json()["destination_ids"]) == (202, ["d1"])
    assert tenant.json()["metadata"] == {"a": "3"}


async def test_members_that_mean_nothing_are_passed_over(outpost: InProcessOutpost) -> None:
    tenant = await outpost.api("PUT", "/tenants/t1", {"id": "other", "created_at": "rubbish", "more": [1]})
    retry = await outpost.api("POST", "/retry", {"event_id": "e", "destination_id": "d", "more": {}})

    assert (tenant.status, tenant.json()["id"]) == (201, "t1")
    assert retry.status == 404


@pytest.mark.parametrize("number", ["123456789012345678901234567890", "-9223372036854775809", "18446744073709551616"])
async def test_a_filter_keeps_large_whole_numbers(outpost: InProcessOutpost, number: str) -> None:
    await outpost.tenant("t1")
    await outpost.webhook("d1")
    raw = b'{"filter":{"data":{"n":{"$gt":%s}}}}' % number.encode()

    answer = await outpost.api("PATCH", "/tenants/t1/destinations/d1", raw=raw)

    assert answer.status == 200
    assert answer.json()["filter"] == {"data": {"n": {"$gt": int(number)}}}
    assert json.loads(raw)["filter"] == answer.json()["filter"]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 500])
async def test_a_filter_with_a_number_beyond_all_bounds_is_refused(outpost: InProcessOutpost, number: str) -> None:
    await outpost.tenant("t1")
    await outpost.webhook("d1")

    answer = await outpost.api(
        "PATCH", "/tenants/t1/destinations/d1", raw=b'{"filter":{"data":{"n":%s}}}' % number.encode()
    )

    assert answer.status == 422
    assert answer.json() == refused(422, "invalid JSON", ["filter holds a number that is too large"])
