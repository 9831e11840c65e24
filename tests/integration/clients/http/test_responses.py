"""Responses as servers send them, well or badly: how each is read, and whether its connection is used again."""

import pytest

from outpost.clients.http import ConnectionClosed, ConnectionReset, ProtocolError, Response
from tests.support.asking import Ask
from tests.support.hostile_http import OK, HostileServer, Peer, always, once

_LIMIT = 64 * 1024


def _response(status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> Response:
    return Response(status, list(headers), body, truncated=False)


_COMPLETE = {
    "with a length": (
        b"HTTP/1.1 200 OK\r\nX-One: a\r\nx-one:  b \r\nContent-Length: 5\r\n\r\nhello",
        _response(200, b"hello", (b"x-one", b"a"), (b"x-one", b"b"), (b"content-length", b"5")),
    ),
    "without a reason": (b"HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n", _response(202, b"", (b"content-length", b"0"))),
    "lines ended by LF": (
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        _response(200, b"ok", (b"content-length", b"2")),
    ),
    "an empty header": (
        b"HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n",
        _response(200, b"", (b"x-empty", b""), (b"content-length", b"0")),
    ),
    "204 without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", _response(204)),
    "204 that claims a body": (
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        _response(204, b"", (b"content-length", b"5")),
    ),
    "304 with the length of what it stands for": (
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        _response(304, b"", (b"content-length", b"5")),
    ),
    "chunks with extensions and trailers": (
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'5;name="v"\r\nhello\r\n006\r\n world\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n'
        ),
        _response(200, b"hello world", (b"transfer-encoding", b"chunked")),
    ),
    "an empty chunked body": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
        _response(200, b"", (b"transfer-encoding", b"Chunked")),
    ),
    "interim responses before it": (
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        ),
        _response(200, b"ok", (b"content-length", b"2")),
    ),
    "a status nobody knows": (
        b"HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n",
        _response(799, b"", (b"content-length", b"0")),
    ),
    "an offer to upgrade": (
        b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok",
        _response(200, b"ok", (b"upgrade", b"h2c"), (b"connection", b"Upgrade"), (b"content-length", b"2")),
    ),
}
_STATUSES = [200, 201, 301, 302, 303, 307, 308, 400, 401, 404, 429, 500, 503]
_BROKEN = {
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.6\r\n",
    "TLS to a client that speaks none": b"\x15\x03\x01\x00\x02\x02\x46",
    "HTTP/2 frames": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "a status that is no number": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "a blank before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "a length beyond all numbers": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk size that is none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "a chunk longer than it says": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: ws\r\nConnection: Upgrade\r\n\r\n\x81\x02hi",
}
_ENDLESS = {
    "a status line without end": (b"HTTP/1.1 200 ", b"A" * 4096),
    "a header without end": (b"HTTP/1.1 200 OK\r\nX: ", b"A" * 4096),
    "headers without end": (b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n" * 256),
    "interim responses without end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 128),
    "a chunk extension without end": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=", b"A" * 4096),
    "trailers without end": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 512),
}


@pytest.mark.parametrize(("wire", "expected"), _COMPLETE.values(), ids=_COMPLETE)
async def test_a_response_is_read_and_its_connection_kept(ask: Ask, wire: bytes, expected: Response) -> None:
    async with HostileServer(always(wire)) as server:
        answers = [await ask(server.port), await ask(server.port)]

        assert answers == [expected, expected]
        assert server.connections == 1


@pytest.mark.parametrize(("wire", "expected"), _COMPLETE.values(), ids=_COMPLETE)
async def test_a_response_may_arrive_byte_by_byte(ask: Ask, wire: bytes, expected: Response) -> None:
    async def bytewise(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send_bytewise(wire)

    async with HostileServer(bytewise) as server:
        assert [await ask(server.port), await ask(server.port)] == [expected, expected]
        assert server.connections == 1


@pytest.mark.parametrize("status", _STATUSES)
async def test_any_status_is_an_answer_and_redirects_are_not_followed(ask: Ask, status: int) -> None:
    wire = b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" % status
    async with HostileServer(always(wire)) as server:
        response = await ask(server.port)

        assert response.status == status
        assert (b"location", b"http://127.0.0.1:1/") in response.headers
        assert len(server.requests) == 1


@pytest.mark.parametrize("coding", [b"", b"Transfer-Encoding: gzip\r\n", b"Connection: keep-alive\r\n"])
async def test_a_body_without_length_lasts_until_the_connection_ends(ask: Ask, coding: bytes) -> None:
    async with HostileServer(once(b"HTTP/1.1 200 OK\r\n" + coding + b"\r\nhello world")) as server:
        assert (await ask(server.port)).body == b"hello world"
        assert (await ask(server.port)).body == b"hello world"
        assert server.connections == 2


async def test_an_empty_body_may_be_ended_by_the_connection(ask: Ask) -> None:
    async with HostileServer(once(b"HTTP/1.0 200 OK\r\n\r\n")) as server:
        assert await ask(server.port) == _response(200)


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok and more",
    ],
)
async def test_a_server_that_wants_to_close_is_not_kept(ask: Ask, wire: bytes) -> None:
    async with HostileServer(always(wire)) as server:
        assert (await ask(server.port)).body == b"ok"
        await server.until_open(0)
        assert (await ask(server.port)).body == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("more", [b"x", OK, b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["a byte", "an answer", "a 100"])
async def test_bytes_after_the_answer_do_not_become_the_next_answer(ask: Ask, more: bytes) -> None:
    async with HostileServer(always(OK + more)) as server:
        assert (await ask(server.port)).body == b"ok"
        await server.until_open(0)


async def test_bytes_that_nobody_asked_for_end_an_idle_connection(ask: Ask) -> None:
    async def chatter(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 1:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
        await peer.until_gone()

    async with HostileServer(chatter) as server:
        assert (await ask(server.port)).body == b"ok"
        await server.until_open(0)
        assert (await ask(server.port)).body == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("wire", _BROKEN.values(), ids=_BROKEN)
async def test_what_is_not_http_is_a_protocol_error(ask: Ask, wire: bytes) -> None:
    async with HostileServer(always(wire)) as server:
        with pytest.raises(ProtocolError) as caught:
            await ask(server.port, "/a-secret-path", head=b"X-Key: sesame\r\n")

        assert str(caught.value).startswith(f"127.0.0.1:{server.port}: ")
        assert "secret" not in str(caught.value)
        assert "sesame" not in str(caught.value)
        await server.until_open(0)


@pytest.mark.parametrize(("start", "forever"), _ENDLESS.values(), ids=_ENDLESS)
async def test_what_has_no_end_is_cut_off(ask: Ask, start: bytes, forever: bytes) -> None:
    sent = 0

    async def endless(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(start)
        while True:
            await peer.send(forever)
            sent += len(forever)

    async with HostileServer(endless) as server:
        with pytest.raises(ProtocolError):
            await ask(server.port)

        await server.until_open(0)
        assert sent < 16 * 1024 * 1024


async def test_headers_over_the_limit_are_refused_even_if_they_end(ask: Ask) -> None:
    header = b"X: " + b"A" * 1000 + b"\r\n"
    async with HostileServer(always(b"HTTP/1.1 200 OK\r\n" + header * 80 + b"Content-Length: 0\r\n\r\n")) as server:
        with pytest.raises(ProtocolError, match=f"exceed {_LIMIT} bytes"):
            await ask(server.port)


async def test_headers_under_the_limit_are_read(ask: Ask) -> None:
    header = b"X: " + b"A" * 1000 + b"\r\n"
    async with HostileServer(always(b"HTTP/1.1 200 OK\r\n" + header * 60 + b"Content-Length: 0\r\n\r\n")) as server:
        assert len((await ask(server.port)).headers) == 61


@pytest.mark.parametrize("limit", [0, 1, 1000, 100_000])
@pytest.mark.parametrize("framing", ["length", "chunks", "end of stream"])
async def test_of_a_body_over_the_limit_the_rest_is_not_read(ask: Ask, limit: int, framing: str) -> None:
    start = {
        "length": b"Content-Length: 1000000000000\r\n\r\n",
        "chunks": b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n",
        "end of stream": b"\r\n",
    }
    sent = 0

    async def endless(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + start[framing])
        while True:
            await peer.send(b"0123456789" * 1000)
            sent += 10_000

    async with HostileServer(endless) as server:
        response = await ask(server.port, max_body=limit)

        assert response.truncated
        assert response.body == (b"0123456789" * (limit // 10 + 1))[:limit]
        await server.until_open(0)
        assert sent < 32 * 1024 * 1024


async def test_a_body_of_exactly_the_limit_is_whole(ask: Ask) -> None:
    async with HostileServer(always(OK)) as server:
        for _ in range(2):
            response = await ask(server.port, max_body=2)
            assert (response.body, response.truncated) == (b"ok", False)
        assert server.connections == 1


async def test_large_bodies_arrive_whole(ask: Ask) -> None:
    body = bytes(range(256)) * 4096 * 4
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with HostileServer(always(wire)) as server:
        assert (await ask(server.port, max_body=len(body))).body == body


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nX: y\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ],
)
async def test_an_answer_that_ends_early_is_no_answer(ask: Ask, wire: bytes) -> None:
    async with HostileServer(once(wire)) as server:
        with pytest.raises(ConnectionClosed):
            await ask(server.port)

        assert server.connections == 1


@pytest.mark.parametrize("wire", [b"", b"HTTP/1.1 200 OK\r\n\r\nhalf a bo"])
async def test_a_reset_is_no_answer_not_even_where_the_end_of_the_stream_would_be(ask: Ask, wire: bytes) -> None:
    async def rude(peer: Peer) -> None:
        await peer.request()
        if wire:
            await peer.send_bytewise(wire)
        peer.reset()

    async with HostileServer(rude) as server:
        with pytest.raises(ConnectionReset):
            await ask(server.port)


async def test_a_server_that_accepts_and_closes_at_once_is_an_error(ask: Ask) -> None:
    async def shut(peer: Peer) -> None:
        peer.close()

    async with HostileServer(shut) as server:
        with pytest.raises((ConnectionClosed, ConnectionReset)):
            await ask(server.port)

        assert server.connections == 1


class TestHead:
    """RFC 9110, 9.3.2: the answer to HEAD says how long the body would be and has none."""

    @pytest.mark.parametrize(
        "framing", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 0\r\n"]
    )
    async def test_its_answer_has_no_body_and_the_connection_is_kept(self, ask: Ask, framing: bytes) -> None:
        async with HostileServer(always(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n")) as server:
            for _ in range(3):
                assert (await ask(server.port, method=b"HEAD")).body == b""
            assert server.connections == 1

    async def test_other_requests_follow_on_its_connection(self, ask: Ask) -> None:
        async def answer(peer: Peer) -> None:
            while True:
                request = await peer.request()
                body = b"" if request.head.startswith(b"HEAD") else b"hello"
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)

        async with HostileServer(answer) as server:
            bodies = [(await ask(server.port, method=method)).body for method in (b"HEAD", b"GET", b"HEAD", b"GET")]

            assert bodies == [b"", b"hello", b"", b"hello"]
            assert server.connections == 1

    async def test_a_body_that_comes_nevertheless_is_dropped_with_the_connection(self, ask: Ask) -> None:
        async with HostileServer(always(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")) as server:
            assert (await ask(server.port, method=b"HEAD")).body == b""
            await server.until_open(0)
