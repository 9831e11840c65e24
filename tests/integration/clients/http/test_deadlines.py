"""One deadline covers everything a request does."""

import asyncio
import socket

import pytest

from outpost.clients.http import Address, DeadlineExceeded, HttpClient, Url
from tests.support.asking import Ask, asking
from tests.support.hostile_http import OK, HostileServer, Peer

_SOON = 0.1


async def _answer_never(peer: Peer) -> None:
    await peer.until_gone()


async def _answer_a_byte_at_a_time(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await peer.send_bytewise(b"x")


async def _answer_a_header_letter_at_a_time(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await peer.send(b"x")
        await asyncio.sleep(0.005)


async def _answer_half(peer: Peer) -> None:
    await peer.request()
    await peer.send(OK[:-1])
    await peer.until_gone()


@pytest.mark.parametrize(
    "behave", [_answer_never, _answer_a_byte_at_a_time, _answer_a_header_letter_at_a_time, _answer_half]
)
@pytest.mark.parametrize("reused", [False, True])
async def test_a_slow_answer_meets_it(ask: Ask, behave: object, reused: bool) -> None:
    async def behaves_the_second_time(peer: Peer) -> None:
        if reused:
            await peer.request()
            await peer.send(OK)
        await behave(peer)  # type: ignore[operator]

    async with HostileServer(behaves_the_second_time) as server:
        if reused:
            await ask(server.port)
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(DeadlineExceeded) as caught:
            await ask(server.port, seconds=_SOON)

        assert loop.time() - started >= _SOON * 0.99
        assert caught.value.endpoint == f"127.0.0.1:{server.port}"
        await server.until_open(0)


async def test_a_deadline_in_the_past_opens_no_connection(ask: Ask) -> None:
    async with HostileServer(_answer_never) as server:
        with pytest.raises(DeadlineExceeded):
            await ask(server.port, seconds=-1)

        assert server.connections == 0


async def test_a_host_that_swallows_packets_meets_it(ask: Ask) -> None:
    """A listener whose queue is full answers no further SYN, as a firewall that drops them."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [_start_connecting(port) for _ in range(4)]
        try:
            with pytest.raises(DeadlineExceeded, match="connecting"):
                await ask(port, seconds=_SOON)
        finally:
            for filler in fillers:
                filler.close()


def _start_connecting(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(("127.0.0.1", port))
    return sock


async def test_a_lookup_that_hangs_meets_it() -> None:
    asked = asyncio.Event()

    async def hang(host: str, port: int) -> list[Address]:
        asked.set()
        await asyncio.Event().wait()
        return []

    async with HttpClient(resolver=hang) as client:
        with pytest.raises(DeadlineExceeded, match="connecting"):
            await asking(client)(80, host="slow.example", seconds=_SOON)
        assert asked.is_set()


async def test_a_tls_handshake_that_hangs_meets_it(ask: Ask) -> None:
    async with HostileServer(_answer_never) as server:
        with pytest.raises(DeadlineExceeded, match="connecting"):
            await ask(server.port, scheme="https", seconds=_SOON)

        await server.until_open(0)


async def test_a_timeout_of_the_address_check_is_not_taken_for_it() -> None:
    def impatient(host: str, addresses: object) -> list[Address]:
        raise TimeoutError("the check's own")

    async with HttpClient(check=impatient) as client:
        deadline = asyncio.get_running_loop().time() + 5
        with pytest.raises(TimeoutError, match="the check's own"):
            await client.request(b"GET", Url.parse("http://127.0.0.1/"), b"", b"", deadline=deadline, max_body=1)
