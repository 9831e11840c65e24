"""Requests as they leave, and what becomes of large ones."""

import asyncio
import contextlib

import pytest

from outpost.clients.http import ConnectionClosed, ConnectionReset, DeadlineExceeded, HttpClient, Url
from tests.support.asking import Ask
from tests.support.hostile_http import OK, HostileServer, Peer, always

_LARGE = bytes(range(256)) * 4096 * 32
"""32 MiB: more than any socket buffer takes."""


async def test_a_request_is_the_given_headers_between_host_and_length(ask: Ask) -> None:
    async with HostileServer(always(OK)) as server:
        await ask(server.port, "/a%20b?c=d&e", head=b"X-One: 1\r\nX-Two: 2\r\n", body=b"hello")

        assert server.requests[0].head == (
            b"POST /a%%20b?c=d&e HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-One: 1\r\nX-Two: 2\r\nContent-Length: 5\r\n\r\n"
            % server.port
        )
        assert server.requests[0].body == b"hello"


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        (b"GET", b"", None),
        (b"HEAD", b"", None),
        (b"DELETE", b"", None),
        (b"POST", b"", b"0"),
        (b"PUT", b"", b"0"),
        (b"PATCH", b"", b"0"),
        (b"DELETE", b"x", b"1"),
    ],
)
async def test_a_length_is_told_where_a_body_is_usual(
    ask: Ask, method: bytes, body: bytes, length: bytes | None
) -> None:
    async with HostileServer(always(b"HTTP/1.1 204 No Content\r\n\r\n")) as server:
        await ask(server.port, method=method, body=body)

        head = server.requests[0].head
        assert head.startswith(method + b" / HTTP/1.1\r\n")
        assert (b"Content-Length: " + length if length else b"\r\n\r\n") in head
        assert (b"Content-Length" in head) == (length is not None)


async def test_an_ipv6_address_is_in_brackets_where_http_wants_them(ask: Ask) -> None:
    async with contextlib.AsyncExitStack() as stack:
        try:
            server = await stack.enter_async_context(HostileServer(always(OK), host="::1"))
        except OSError:
            pytest.skip("no IPv6 on this machine")
        assert (await ask(server.port, host="[0:0::1]")).status == 200
        assert b"\r\nHost: [::1]:%d\r\n" % server.port in server.requests[0].head


@pytest.mark.parametrize("head", [b"X: y", b"X: y\n", b"X: y\r\n\r\n", b"X: y\r\n\r\nGET /", b"\r\n", b"\r\nX: y\r\n"])
async def test_headers_that_would_end_the_head_early_are_refused(ask: Ask, head: bytes) -> None:
    async with HostileServer(always(OK)) as server:
        with pytest.raises(ValueError, match="complete header lines"):
            await ask(server.port, head=head)

        assert server.connections == 0


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072, 1_000_003])
async def test_bodies_around_the_size_of_a_piece_arrive_whole(ask: Ask, size: int) -> None:
    body = (b"0123456789" * (size // 10 + 1))[:size]
    async with HostileServer(always(OK)) as server:
        for _ in range(2):
            assert (await ask(server.port, body=body)).status == 200
        assert [request.body for request in server.requests] == [body, body]
        assert server.connections == 1


async def test_a_server_that_reads_slowly_gets_all_of_a_large_body(ask: Ask) -> None:
    received = bytearray()

    async def slow(peer: Peer) -> None:
        await peer.head()
        while len(received) < len(_LARGE):
            received.extend(await peer.read(100_000))
            await asyncio.sleep(0)
        await peer.send(OK)

    async with HostileServer(slow) as server:
        assert (await ask(server.port, body=_LARGE)).status == 200
        assert received == _LARGE


@pytest.mark.parametrize("size", [60_000, len(_LARGE)])
async def test_a_server_that_never_reads_meets_the_deadline(ask: Ask, size: int) -> None:
    async def deaf(peer: Peer) -> None:
        await asyncio.Event().wait()

    async with HostileServer(deaf) as server:
        with pytest.raises(DeadlineExceeded):
            await ask(server.port, body=_LARGE[:size], seconds=0.1)


async def test_an_answer_before_the_whole_body_is_taken_and_ends_the_sending(ask: Ask) -> None:
    async def hasty(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with HostileServer(hasty) as server:
        assert (await ask(server.port, body=_LARGE)).status == 413
        assert (await ask(server.port, body=_LARGE)).status == 413
        assert server.connections == 2


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_server_that_breaks_off_a_large_upload_is_an_error(ask: Ask, how: str) -> None:
    async def rude(peer: Peer) -> None:
        await peer.head()
        peer.reset() if how == "reset" else peer.close()

    async with HostileServer(rude) as server:
        with pytest.raises((ConnectionReset, ConnectionClosed)):
            await ask(server.port, body=_LARGE)


async def test_a_closed_client_refuses_requests(ask: Ask, client: HttpClient) -> None:
    await client.aclose()

    with pytest.raises(RuntimeError, match="closed"):
        await ask(1)


async def test_closing_lets_requests_in_flight_end_and_keeps_no_connection(ask: Ask, client: HttpClient) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def waits(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await go_on.wait()
        await peer.send(OK)
        await peer.until_gone()

    async with HostileServer(waits) as server:
        request = asyncio.create_task(ask(server.port))
        await arrived.wait()
        await client.aclose()
        go_on.set()

        assert (await request).status == 200
        await server.until_open(0)
        assert client.connections_open == 0


async def test_a_client_works_as_a_context(ask: Ask) -> None:
    async with HostileServer(always(OK)) as server:
        async with HttpClient() as client:
            deadline = asyncio.get_running_loop().time() + 5
            url = Url.parse(f"http://127.0.0.1:{server.port}/")
            await client.request(b"GET", url, b"", b"", deadline=deadline, max_body=10)
            assert client.connections_idle == 1
        await server.until_open(0)
        assert client.connections_idle == 0


async def test_a_response_hides_its_content_when_shown(ask: Ask) -> None:
    async with HostileServer(always(b"HTTP/1.1 200 OK\r\nX-Key: sesame\r\nContent-Length: 6\r\n\r\nsecret")) as server:
        shown = repr(await ask(server.port))

        assert "sesame" not in shown
        assert "secret" not in shown
