"""Paths, methods and headers: what every route has in common."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from tests.support.api import API_KEY, InProcessOutpost, a_publish, a_webhook, refused
from tests.support.http import call

NOT_FOUND = refused(404, "not found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/nope"),
        ("POST", "/api/v1/"),
        ("GET", "/api/"),
        ("GET", "/api/v1"),
        ("GET", "/api/v1/config"),
        ("PATCH", "/api/v1/config"),
        ("OPTIONS", "/api/v1/nope"),
        ("GET", "/api/v1/Topics"),
        ("GET", "/api/v1//topics"),
        ("GET", "/api/v1/t1/destinations"),
        ("GET", "/api/v1/tenants/a%2Fb"),
    ],
)
async def test_an_unknown_path_of_the_api_is_404_for_everyone(
    outpost: InProcessOutpost, method: str, path: str
) -> None:
    """Scenarios 10 and 17."""
    answer = await call(outpost.port, method, path)

    assert (answer.status, answer.json()) == (404, NOT_FOUND)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("path", ["/api", "/apix", "/nope", "//api/v1/topics", "/API/v1/topics"])
async def test_a_path_beside_the_api_is_404_as_text(outpost: InProcessOutpost, path: str) -> None:
    answer = await call(outpost.port, "GET", path)

    assert (answer.status, answer.body) == (404, b"404 page not found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/topics", "GET, HEAD"),
        ("OPTIONS", "/topics", "GET, HEAD"),
        ("PATCH", "/tenants/t1", "DELETE, GET, HEAD, PUT"),
        ("GET", "/publish", "POST"),
        ("HEAD", "/publish", "POST"),
        ("POST", "/tenants/t1/destinations/d1", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/tenants/t1/destinations/d1/enable", "PUT"),
        ("DELETE", "/events", "GET, HEAD"),
        ("GET", "/retry", "POST"),
    ],
)
async def test_a_wrong_method_is_405_and_told_the_right_ones(
    outpost: InProcessOutpost, method: str, path: str, allow: str
) -> None:
    """Scenario 10; fault 32."""
    answer = await outpost.api(method, path, token=None)

    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert method == "HEAD" or answer.json() == refused(405, "method not allowed")


@pytest.mark.parametrize("path", ["/topics", "/tenants/t1", "/events", "/healthz"])
async def test_head_is_answered_like_get_without_the_body(outpost: InProcessOutpost, path: str) -> None:
    """Fault 32."""
    await outpost.tenant("t1")

    get = await outpost.api("GET", path)
    head = await outpost.api("HEAD", path)

    assert (head.status, head.body) == (200, b"")
    assert head.headers == get.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/api/v1/nope", 404),
        ("POST", "/api/v1/publish", 422),
        ("POST", "/api/v1/publish?long=road", 422),
        ("no", "request", 400),
    ],
)
async def test_every_answer_says_when_it_was_made(
    outpost: InProcessOutpost, method: str, path: str, status: int
) -> None:
    """RFC 9110, 6.6.1."""
    answer = await call(outpost.port, method, path, token=API_KEY)

    assert answer.status == status
    made = parsedate_to_datetime(answer.headers["date"])
    assert timedelta(seconds=-1) < datetime.now(UTC) - made < timedelta(seconds=30)


async def test_no_answer_speaks_of_cors(outpost: InProcessOutpost) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await outpost.api(method, "/topics", headers={"Origin": "https://elsewhere.example"})

        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path", "status", "location"),
    [
        ("GET", "/api/v1/tenants/t1/", 301, "/api/v1/tenants/t1"),
        ("GET", "/api/v1/tenants/a%20b/?x=1&y=%20", 301, "/api/v1/tenants/a%20b?x=1&y=%20"),
        ("HEAD", "/api/v1/topics/", 301, "/api/v1/topics"),
        ("POST", "/api/v1/publish/", 307, "/api/v1/publish"),
        ("PUT", "/api/v1/tenants/t1/", 307, "/api/v1/tenants/t1"),
        ("GET", "/healthz/", 301, "/healthz"),
    ],
)
async def test_a_final_slash_is_sent_to_the_path_without(
    outpost: InProcessOutpost, method: str, path: str, status: int, location: str
) -> None:
    """Scenario 11."""
    answer = await call(outpost.port, method, path)

    assert (answer.status, answer.headers["location"]) == (status, location)


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/v1/publish/"), ("GET", "/api/v1/nope/")])
async def test_a_final_slash_without_such_a_route_is_404(outpost: InProcessOutpost, method: str, path: str) -> None:
    assert (await call(outpost.port, method, path)).status == 404


async def test_a_large_body_is_taken_everywhere(outpost: InProcessOutpost) -> None:
    """Scenario 14; fault 3."""
    await outpost.tenant("t1")
    notes = {"note": "x" * 10_500}

    created = await outpost.api("POST", "/tenants/t1/destinations", a_webhook(metadata=notes))
    put = await outpost.api("PUT", "/tenants/t1", {"metadata": notes})

    assert (created.status, created.json()["metadata"]) == (201, notes)
    assert (put.status, put.json()["metadata"]) == (200, notes)


async def test_an_event_of_three_megabytes_is_taken(outpost: InProcessOutpost) -> None:
    """Scenario 15."""
    answer = await outpost.api("POST", "/publish", a_publish(data={"fill": "x" * 3_000_000}))

    assert answer.status == 202


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "image/png", ""])
async def test_the_content_type_of_a_request_does_not_matter(outpost: InProcessOutpost, content_type: str) -> None:
    """Scenario 16."""
    headers = {"Content-Type": content_type, "Accept": "text/html"}

    published = await outpost.api("POST", "/publish", a_publish(), headers=headers)
    put = await outpost.api("PUT", "/tenants/t1", {"metadata": {"a": "1"}}, headers=headers)

    assert (published.status, put.status) == (202, 201)
    assert published.headers["content-type"] == put.headers["content-type"] == "application/json; charset=utf-8"


async def test_answers_are_not_compressed_and_requests_not_decompressed(outpost: InProcessOutpost) -> None:
    plain = await outpost.api("GET", "/topics", headers={"Accept-Encoding": "gzip, br"})
    packed = gzip.compress(json.dumps(a_publish()).encode())
    published = await outpost.api("POST", "/publish", raw=packed, headers={"Content-Encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert (published.status, published.json()["message"]) == (422, "invalid JSON")


async def test_the_sign_for_what_could_not_be_read_may_stand_in_an_id(outpost: InProcessOutpost) -> None:
    assert (await outpost.api("PUT", "/tenants/%EF%BF%BD")).json()["id"] == "\ufffd"


async def test_a_path_is_decoded_before_it_is_matched(outpost: InProcessOutpost) -> None:
    created = await outpost.api("PUT", "/tenants/a%20b%C3%BC")

    assert (created.status, created.json()["id"]) == (201, "a bü")
    assert (await outpost.api("GET", "/%74enants/a%20b%c3%bc")).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tenants/%00"),
        ("PUT", "/tenants/a%00b"),
        ("GET", "/tenants/t1/destinations/%00"),
        ("GET", "/events/%00"),
        ("GET", "/attempts/%00"),
        ("GET", "/destination-types/%00"),
        ("PUT", "/tenants/%ff"),
        ("PUT", "/tenants/%c0%af"),
        ("PUT", "/tenants/%ed%a0%80"),
        ("GET", "/topics%0A"),
        ("POST", "/publish%0A"),
    ],
)
async def test_a_path_with_a_nul_or_a_line_break_too_many_or_that_is_no_text_names_nothing(
    outpost: InProcessOutpost, method: str, path: str
) -> None:
    await outpost.tenant("t1")

    answer = await outpost.api(method, path)

    assert (answer.status, answer.json()) == (404, NOT_FOUND)
