"""Connections byte by byte: split, joined, chunked, slow, broken."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.api import InProcessOutpost, a_publish, refused, running_api
from tests.support.http import connected

BODY = json.dumps(a_publish()).encode()
TOPICS = b"GET /api/v1/topics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n\r\n"
ROADS = [b"/api/v1/publish", b"/api/v1/publish?long"]


def a_request(body: bytes = BODY, *lines: bytes, path: bytes = ROADS[0], method: bytes = b"POST") -> bytes:
    """A publish request with its Content-Length, and with more header lines."""
    head = [method + b" " + path + b" HTTP/1.1", b"Host: x", b"Authorization: Bearer key", *lines]
    if not any(line.lower().startswith(b"transfer-encoding") for line in lines):
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(body: bytes, *trailers: bytes, size: int = 7) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x;note=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return chunks + b"0\r\n" + b"".join(trailer + b"\r\n" for trailer in trailers) + b"\r\n"


@pytest.fixture
async def impatient() -> AsyncIterator[InProcessOutpost]:
    """A server that waits a tenth of a second for the rest of a request."""
    async with running_api(patience=0.1) as running:
        yield running


@pytest.mark.parametrize("path", ROADS)
async def test_a_connection_serves_one_request_after_another(outpost: InProcessOutpost, path: bytes) -> None:
    async with connected(outpost.port) as connection:
        for _ in range(3):
            connection.send(a_request(path=path))
            assert (await connection.answer()).status == 202
            connection.send(TOPICS)
            assert (await connection.answer()).status == 200


@pytest.mark.parametrize("path", ROADS)
async def test_a_client_that_asks_for_it_is_closed_after_the_answer(outpost: InProcessOutpost, path: bytes) -> None:
    for request in (
        a_request(BODY, b"Connection: close", path=path),
        a_request(path=path).replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        async with connected(outpost.port) as connection:
            connection.send(request)
            answer = await connection.answer()

            assert (answer.status, answer.headers["connection"]) == (202, "close")
            assert await connection.rest() == b""


@pytest.mark.parametrize("path", ROADS)
async def test_a_request_may_arrive_byte_by_byte(outpost: InProcessOutpost, path: bytes) -> None:
    async with connected(outpost.port) as connection:
        for byte in a_request(path=path):
            connection.send(bytes([byte]))
            await asyncio.sleep(0)

        assert (await connection.answer()).status == 202


async def test_a_head_that_was_read_before_may_be_followed_by_any_body_of_its_length(outpost: InProcessOutpost) -> None:
    bodies = [json.dumps(a_publish(id=f"e{number}")).encode() for number in range(4)]
    async with connected(outpost.port) as connection:
        for number, body in enumerate(bodies):
            connection.send(a_request(body))
            assert (await connection.answer()).json()["id"] == f"e{number}"
        connection.send(a_request(b"{" * len(bodies[0])))
        assert (await connection.answer()).status == 422
        connection.send(a_request(bodies[0])[:-5])
        await asyncio.sleep(0)
        connection.send(bodies[0][-5:])
        assert (await connection.answer()).json()["id"] == "e0"


async def test_a_head_that_was_read_before_does_not_open_the_door_to_another_key(outpost: InProcessOutpost) -> None:
    async with connected(outpost.port) as connection:
        connection.send(a_request())
        assert (await connection.answer()).status == 202

        connection.send(a_request().replace(b"Bearer key", b"Bearer kez"))

        assert (await connection.answer()).status == 401


async def test_a_refused_request_does_not_make_known_the_head_of_one_with_another_length(
    outpost: InProcessOutpost,
) -> None:
    """Otherwise half of a body would be taken for the whole, and the other half for the next request."""
    short = json.dumps(a_publish(id="short")).encode()
    broken = b"{" * 200
    whole = json.dumps(a_publish(id="whole")).encode().ljust(len(broken))
    head_of_the_first = a_request(whole, b"X-Number: 1")[: -len(whole)]
    async with connected(outpost.port) as connection:
        connection.send(head_of_the_first + broken + a_request(short))
        assert [(await connection.answer()).status, (await connection.answer()).status] == [422, 202]

    async with connected(outpost.port) as connection:
        connection.send(head_of_the_first + whole[: len(short)])
        assert (await outpost.api("GET", "/topics")).status == 200  # by now that much has been read
        connection.send(whole[len(short) :])
        answer = await connection.answer()

        assert (answer.status, answer.json()["id"]) == (202, "whole")
        connection.send(TOPICS)
        assert (await connection.answer()).status == 200


async def test_a_known_head_in_front_of_another_request_is_answered_first(outpost: InProcessOutpost) -> None:
    async with connected(outpost.port) as connection:
        connection.send(a_request())
        assert (await connection.answer()).status == 202

        connection.send(a_request() + TOPICS + a_request())

        assert [(await connection.answer()).status for _ in range(3)] == [202, 200, 202]


async def test_requests_sent_at_once_are_answered_in_order(outpost: InProcessOutpost) -> None:
    published = [a_request(json.dumps(a_publish(id=f"e{number}")).encode()) for number in range(20)]
    async with connected(outpost.port) as connection:
        connection.send(b"".join(request + TOPICS for request in published))

        for number in range(20):
            answer = await connection.answer()
            assert (answer.status, answer.json()["id"]) == (202, f"e{number}")
            assert (await connection.answer()).json() == list(outpost.options.topics)


async def test_more_requests_than_can_be_read_at_once_are_all_answered(outpost: InProcessOutpost) -> None:
    async with connected(outpost.port) as connection:
        connection.send(TOPICS * 5_000)

        for _ in range(5_000):
            assert (await connection.answer()).status == 200


@pytest.mark.parametrize("path", ROADS)
@pytest.mark.parametrize("trailers", [(), (b"Authorization: Bearer wrong", b"X-Sum: 1")])
async def test_a_chunked_body_is_read_like_any_other(
    outpost: InProcessOutpost, path: bytes, trailers: tuple[bytes, ...]
) -> None:
    async with connected(outpost.port) as connection:
        connection.send(a_request(chunked(BODY, *trailers), b"Transfer-Encoding: chunked", path=path))
        connection.send(TOPICS)

        assert (await connection.answer()).status == 202
        assert (await connection.answer()).status == 200


async def test_a_tenants_metadata_may_come_in_chunks(outpost: InProcessOutpost) -> None:
    """Fault 8."""
    body = chunked(b'{"metadata":{"a":"1"}}')
    async with connected(outpost.port) as connection:
        connection.send(a_request(body, b"Transfer-Encoding: chunked", path=b"/api/v1/tenants/t1", method=b"PUT"))

        assert (await connection.answer()).json()["metadata"] == {"a": "1"}


@pytest.mark.parametrize("path", ROADS)
async def test_a_client_that_expects_to_be_asked_for_the_body_is_asked(outpost: InProcessOutpost, path: bytes) -> None:
    async with connected(outpost.port) as connection:
        connection.send(a_request(BODY, b"Expect: 100-continue", path=path).removesuffix(BODY))
        assert (await connection.answer()).status == 100
        connection.send(BODY)

        assert (await connection.answer()).status == 202


async def test_a_body_that_would_be_refused_is_not_asked_for(outpost: InProcessOutpost) -> None:
    request = a_request(BODY, b"Expect: 100-continue").removesuffix(BODY).replace(b"Bearer key", b"Bearer no")
    async with connected(outpost.port) as connection:
        connection.send(request)

        assert (await connection.answer()).status == 401


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
@pytest.mark.parametrize("path", ROADS)
async def test_an_offer_to_change_the_protocol_is_passed_over(
    outpost: InProcessOutpost, path: bytes, upgrade: bytes
) -> None:
    async with connected(outpost.port) as connection:
        connection.send(a_request(BODY, b"Connection: Upgrade", b"Upgrade: " + upgrade, path=path) + TOPICS)

        assert (await connection.answer()).status == 202
        assert (await connection.answer()).status == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"NONSENSE\r\n\r\n",
        b"FETCH /api/v1/topics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"0" * 5000 + b"2\r\n\r\n{}",
        b"PUT /api/v1/tenants/t HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"0" * 5000 + b"2\r\n\r\n{}",
        b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_bytes_that_are_no_request_are_answered_with_400_and_the_connection_ends(
    outpost: InProcessOutpost, request_: bytes
) -> None:
    async with connected(outpost.port) as connection:
        connection.send(request_)
        answer = await connection.answer()

        assert (answer.status, answer.json()) == (400, refused(400, "invalid HTTP request"))
        assert await connection.rest() == b""


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /" + b"a" * 2_000_000,
        b"GET / HTTP/1.1\r\nX: " + b"a" * 2_000_000,
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 300_000,
    ],
)
async def test_a_head_that_does_not_end_is_refused(outpost: InProcessOutpost, endless: bytes) -> None:
    async with connected(outpost.port) as connection:
        connection.send(endless)
        answer = await connection.answer()

        assert (answer.status, answer.json()) == (431, refused(431, "request header too large"))


async def test_a_long_query_is_read(outpost: InProcessOutpost) -> None:
    ids = "&".join(f"id=tenant-{number}" for number in range(3_000))

    answer = await outpost.api("GET", f"/tenants?{ids}")

    assert (answer.status, answer.json()["models"]) == (200, [])


@pytest.mark.parametrize("path", [*ROADS, b"/api/v1/retry"])
@pytest.mark.parametrize("in_chunks", [False, True])
async def test_a_body_past_the_limit_is_refused_and_the_connection_goes_on(path: bytes, in_chunks: bool) -> None:
    """Fault 3."""
    body = b'{"fill":"%s"}' % (b"x" * 300_000)
    async with running_api(max_body_bytes=1_000) as outpost, connected(outpost.port) as connection:
        if in_chunks:
            connection.send(a_request(chunked(body, size=5_000), b"Transfer-Encoding: chunked", path=path))
        else:
            connection.send(a_request(body, path=path))
        answer = await connection.answer()
        connection.send(TOPICS)

        assert answer.status == 413
        assert answer.json() == refused(413, "request body too large", ["the body may have 1000 bytes"])
        assert (await connection.answer()).status == 200


async def test_only_an_event_may_be_large(outpost: InProcessOutpost) -> None:
    """Tenants send the other bodies, and memory holds what they are made of."""
    large = {"fill": "x" * 256 * 1024}

    published = await outpost.api("POST", "/publish", a_publish(data=large))
    put = await outpost.api("PUT", "/tenants/t1", {"metadata": large})

    assert published.status == 202
    assert (put.status, put.json()["data"]) == (413, ["the body may have 262144 bytes"])
    assert (await outpost.api("GET", "/tenants/t1")).status == 404


async def test_a_body_of_just_the_limit_is_read() -> None:
    async with running_api(max_body_bytes=len(BODY)) as outpost, connected(outpost.port) as connection:
        for path in ROADS:
            connection.send(a_request(path=path))
            assert (await connection.answer()).status == 202
            connection.send(a_request(BODY + b" ", path=path))
            assert (await connection.answer()).status == 413


HALVES = [
    b"",
    b"P",
    b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthor",
    a_request()[:-1],
    a_request(path=ROADS[1])[:-1],
    a_request(b"5\r\nab", b"Transfer-Encoding: chunked"),
    TOPICS + TOPICS[:-1],
    a_request() + a_request()[:-1],
]


@pytest.mark.parametrize("half", HALVES)
async def test_a_client_that_does_not_go_on_is_cut_off(impatient: InProcessOutpost, half: bytes) -> None:
    async with connected(impatient.port) as connection, asyncio.timeout(4):
        connection.send(half)
        await connection.rest()

    assert "e1" not in [event.id for event in impatient.log.events.values()]


async def test_a_request_that_is_answered_before_it_ends_is_still_cut_off(impatient: InProcessOutpost) -> None:
    async with connected(impatient.port) as connection, asyncio.timeout(4):
        connection.send(a_request().replace(b"Bearer key", b"Bearer no")[:-1])

        assert (await connection.answer()).status == 401
        assert await connection.rest() == b""


async def test_a_client_that_sends_blank_lines_between_requests_is_cut_off_too(impatient: InProcessOutpost) -> None:
    async with connected(impatient.port) as connection, asyncio.timeout(4):
        connection.send(TOPICS)
        assert (await connection.answer()).status == 200
        connection.send(b"\r\n")

        assert await connection.rest() == b""


async def test_a_connection_that_asks_for_nothing_more_is_closed() -> None:
    async with running_api(idle=0.1) as outpost, connected(outpost.port) as connection:
        for request in (a_request(), TOPICS):
            connection.send(request)
            assert (await connection.answer()).status in (200, 202)

        async with asyncio.timeout(5):
            assert await connection.rest() == b""


async def test_a_connection_in_the_middle_of_a_request_is_not_idle() -> None:
    async with running_api(idle=0.05) as outpost, connected(outpost.port) as connection:
        connection.send(a_request())
        assert (await connection.answer()).status == 202
        connection.send(a_request()[:-5])

        # Another connection that asks for nothing is closed meanwhile: the time has passed for this one too.
        async with connected(outpost.port) as other:
            other.send(TOPICS)
            await other.answer()
            assert await other.rest() == b""
        connection.send(BODY[-5:])

        assert (await connection.answer()).status == 202


async def test_a_client_is_not_cut_off_because_the_process_stood_still(
    outpost: InProcessOutpost, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    right = loop.time
    async with connected(outpost.port) as connection:
        await outpost.api("GET", "/topics")  # so the connection ahead of it has been accepted
        monkeypatch.setattr(loop, "time", lambda: right() + 12)
        for _ in range(3):  # the timers that are due by now go off
            await asyncio.sleep(0)
        connection.send(a_request())

        assert (await connection.answer()).status == 202


async def test_the_patience_of_a_server_is_ten_seconds(outpost: InProcessOutpost) -> None:
    assert outpost.options.patience == 10.0


async def test_a_client_that_leaves_in_the_middle_does_no_harm(outpost: InProcessOutpost) -> None:
    for half in HALVES:
        async with connected(outpost.port) as connection:
            connection.send(half)

    assert (await outpost.api("GET", "/topics")).status == 200
