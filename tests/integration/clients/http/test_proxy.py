"""Requests by way of a proxy: what it is told, whose fault a failure is, and what it never learns."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from outpost.clients.http import (
    Address,
    ConnectionClosed,
    DeadlineExceeded,
    HttpClient,
    HttpError,
    InvalidUrl,
    NetworkUnreachable,
    ProtocolError,
    Proxy,
    ProxyUnavailable,
    TlsFailed,
    TunnelRefused,
)
from tests.support.asking import asking, until
from tests.support.certificates import Certificates, make_certificates
from tests.support.hostile_http import OK, HostileServer, Peer, always
from tests.support.http_proxy import CHALLENGE, HttpProxy


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"), names=("hooks.example", "proxy.example"))


@pytest.fixture
def tls(certificates: Certificates) -> ssl.SSLContext:
    """The context of a server, and of a proxy that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate_file, certificates.key_file)
    return context


@asynccontextmanager
async def a_client(
    port: int, *, secret: str = "", scheme: str = "http", trusted: Path | None = None, check: "Check | None" = None
) -> AsyncIterator[HttpClient]:
    """A client whose requests all go through the proxy at a port, the only name it can look up."""

    async def only_the_proxy(host: str, port: int) -> Sequence[Address]:
        if host != "proxy.example":
            raise OSError(f"looked up {host}, which is the proxy's to do")
        return [IPv4Address("127.0.0.1")]

    proxy = Proxy.parse(f"{scheme}://{secret}proxy.example:{port}")
    context = ssl.create_default_context(cafile=trusted) if trusted else None
    async with HttpClient(proxy=proxy, resolver=only_the_proxy, ssl_context=context, check=check) as client:
        yield client
    await until(lambda: client.connections_open == 0)


class Check:
    """An address check that lets no address through, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, host: str, addresses: Sequence[Address]) -> Sequence[Address]:
        self.seen.append(host)
        return []


def an_unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def test_http_is_asked_for_in_absolute_form_and_the_server_gets_the_request_whole() -> None:
    async with HostileServer(always(OK)) as server, HttpProxy() as proxy, a_client(proxy.port) as client:
        response = await asking(client)(server.port, "/p?q=1", host="one.example", head=b"X-A: b\r\n", body=b"hello")

        assert response.body == b"ok"
        assert proxy.lines == [f"POST http://one.example:{server.port}/p?q=1 HTTP/1.1"]
        assert server.requests[0].head.startswith(b"POST /p?q=1 HTTP/1.1\r\nHost: one.example:%d\r\n" % server.port)
        assert server.requests[0].body == b"hello"


async def test_http_to_many_hosts_shares_the_connections_to_the_proxy() -> None:
    async with HostileServer(always(OK)) as server, HttpProxy() as proxy, a_client(proxy.port) as client:
        for host in ("one.example", "two.example", "three.example"):
            await asking(client)(server.port, host=host)

        assert proxy.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_https_goes_through_a_tunnel_that_is_kept_and_shows_the_proxy_nothing(
    certificates: Certificates, tls: ssl.SSLContext, scheme: str
) -> None:
    async with (
        HostileServer(always(OK), tls=tls) as server,
        HttpProxy(tls=tls if scheme == "https" else None) as proxy,
        a_client(proxy.port, scheme=scheme, trusted=certificates.ca_file) as client,
    ):
        for _ in range(3):
            response = await asking(client)(
                server.port, "/secret", host="hooks.example", scheme="https", body=b"x" * 99_999
            )
            assert response.body == b"ok"

        assert proxy.lines == [f"CONNECT hooks.example:{server.port} HTTP/1.1"]
        assert server.connections == 1
        assert "secret" not in "".join(proxy.heads)


async def test_a_tunnel_carries_nothing_for_another_host(certificates: Certificates, tls: ssl.SSLContext) -> None:
    async with (
        HostileServer(always(OK), tls=tls) as server,
        HttpProxy() as proxy,
        a_client(proxy.port, trusted=certificates.ca_file) as client,
    ):
        for host in ("hooks.example", "proxy.example"):
            await asking(client)(server.port, host=host, scheme="https")

        assert [line.split(":")[0] for line in proxy.lines] == ["CONNECT hooks.example", "CONNECT proxy.example"]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_user_and_password_are_told_to_the_proxy_and_to_nobody_else(
    certificates: Certificates, tls: ssl.SSLContext, scheme: str
) -> None:
    async with (
        HostileServer(always(OK), tls=tls if scheme == "https" else None) as server,
        HttpProxy(user="me", password="p@ss") as proxy,
        a_client(proxy.port, secret="me:p%40ss@", trusted=certificates.ca_file) as client,
    ):
        assert (await asking(client)(server.port, host="hooks.example", scheme=scheme)).status == 200
        assert b"proxy-authorization" not in server.requests[0].head.lower()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_does_not_take_the_password_is_unavailable(scheme: str) -> None:
    async with HttpProxy(user="me", password="right") as proxy, a_client(proxy.port, secret="me:wrong@") as client:
        with pytest.raises(ProxyUnavailable) as caught:
            await asking(client)(80, host="hooks.example", scheme=scheme)

        assert str(caught.value) == f"proxy.example:{proxy.port}: the proxy cannot be used (it answered 407)"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_where_nobody_listens_is_unavailable(scheme: str) -> None:
    async with a_client(an_unused_port(), secret="me:secret@") as client:
        with pytest.raises(ProxyUnavailable, match="connection was refused") as caught:
            await asking(client)(80, host="hooks.example", scheme=scheme)

        assert "secret" not in str(caught.value) + repr(caught.value)


async def test_a_proxy_that_takes_no_connection_is_unavailable_before_the_deadline() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        try:
            async with a_client(listener.getsockname()[1]) as client:
                with pytest.raises(ProxyUnavailable, match="does not take the connection"):
                    await asking(client)(80, host="hooks.example", seconds=0.5)
        finally:
            for filler in fillers:
                filler.close()


async def test_a_server_that_the_proxy_cannot_reach_is_told_from_the_proxy() -> None:
    async with HttpProxy() as proxy, a_client(proxy.port) as client:
        with pytest.raises(TunnelRefused) as caught:
            await asking(client)(an_unused_port(), host="hooks.example", scheme="https")

        assert caught.value.status == 502


async def test_407_without_a_challenge_is_about_the_server() -> None:
    async with HttpProxy() as proxy, a_client(proxy.port) as client:
        proxy.says = CHALLENGE.replace(b"Proxy-Authenticate", b"X-Reason")
        with pytest.raises(TunnelRefused):
            await asking(client)(80, host="hooks.example", scheme="https")

        assert (await asking(client)(80, host="hooks.example")).status == 407


async def test_behind_a_tunnel_a_servers_407_is_its_own(certificates: Certificates, tls: ssl.SSLContext) -> None:
    async with (
        HostileServer(always(CHALLENGE), tls=tls) as server,
        HttpProxy() as proxy,
        a_client(proxy.port, trusted=certificates.ca_file) as client,
    ):
        assert (await asking(client)(server.port, host="hooks.example", scheme="https")).status == 407


async def test_through_a_tunnel_the_server_must_show_its_own_certificate(
    certificates: Certificates, tls: ssl.SSLContext
) -> None:
    async with (
        HostileServer(always(OK), tls=tls) as server,
        HttpProxy() as proxy,
        a_client(proxy.port, trusted=certificates.ca_file) as client,
    ):
        with pytest.raises(TlsFailed, match="mismatch"):
            await asking(client)(server.port, host="other.example", scheme="https")

        assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ConnectionClosed),
        (b"SSH-2.0-OpenSSH\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, ProtocolError),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\n\r\n", TunnelRefused),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HttpError),
        (b"HTTP/1.1 200 OK\r\n\r\n", HttpError),
    ],
)
async def test_no_answer_of_a_proxy_passes_for_a_servers(answer: bytes, error: type[HttpError]) -> None:
    async def behave(peer: Peer) -> None:
        await peer.head()
        if answer:
            await peer.send(answer)

    async with HostileServer(behave) as proxy, a_client(proxy.port) as client:
        with pytest.raises(error):
            await asking(client)(443, host="hooks.example", scheme="https")


async def test_a_tunnel_that_takes_too_long_is_a_deadline_of_the_server() -> None:
    async def silent(peer: Peer) -> None:
        await peer.head()
        await peer.until_gone()

    async with HostileServer(silent) as proxy, a_client(proxy.port) as client:
        with pytest.raises(DeadlineExceeded):
            await asking(client)(443, host="hooks.example", scheme="https", seconds=0.3)

        await proxy.until_open(0)


async def test_a_request_cancelled_while_it_waits_for_its_tunnel_closes_the_connection() -> None:
    asked = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await peer.until_gone()

    async with HostileServer(silent) as proxy, a_client(proxy.port) as client:
        request = asyncio.create_task(asking(client)(443, host="hooks.example", scheme="https"))
        await asked.wait()
        request.cancel()
        await asyncio.wait([request])

        await proxy.until_open(0)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_address_that_the_check_refuses_is_not_asked_for_even_where_a_connection_waits(scheme: str) -> None:
    check = Check()
    async with HostileServer(always(OK)) as server, HttpProxy() as proxy, a_client(proxy.port, check=check) as client:
        await asking(client)(server.port, host="one.example")
        with pytest.raises(NetworkUnreachable):
            await asking(client)(server.port, host="0x7f000001", scheme=scheme)

        assert check.seen == ["127.0.0.1"]
        assert len(proxy.heads) == 1


@pytest.mark.parametrize("text", ["proxy.example:3128", "socks5://proxy.example", "http://u:secret@proxy.example/p"])
def test_what_is_no_address_of_a_proxy_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        Proxy.parse(text)

    assert "secret" not in str(caught.value)
    assert "proxy.example" not in str(caught.value)


def test_a_proxy_does_not_show_its_password() -> None:
    assert repr(Proxy.parse("http://me:secret@proxy.example:3128")) == "Proxy(http://proxy.example:3128)"
