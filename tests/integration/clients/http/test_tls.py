"""https: who is trusted, what is told of a failure, and how encrypted connections end."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from outpost.clients.http import Address, ConnectionClosed, ConnectionReset, HttpClient, TlsFailed
from tests.support.asking import asking, until
from tests.support.certificates import Certificates, make_certificates
from tests.support.hostile_http import OK, HostileServer, Peer, always

_LARGE = b"0123456789" * 500_000


_NAMES = ("hooks.example", "127.0.0.1")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"), names=_NAMES)


@pytest.fixture
def trusting(certificates: Certificates) -> ssl.SSLContext:
    """The context of a client that trusts the server's authority alone."""
    return ssl.create_default_context(cafile=certificates.ca_file)


@pytest.fixture
def tls(certificates: Certificates) -> ssl.SSLContext:
    """The context of the server."""
    return _server_context(certificates)


def _server_context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate_file, certificates.key_file)
    return context


async def _here(host: str, port: int) -> Sequence[Address]:
    return [IPv4Address("127.0.0.1")]


@asynccontextmanager
async def _a_client(context: ssl.SSLContext | None) -> AsyncIterator[HttpClient]:
    async with HttpClient(ssl_context=context, resolver=_here) as client:
        yield client
    await until(lambda: client.connections_open == 0)


@pytest.mark.parametrize("host", ["hooks.example", "127.0.0.1", "hooks.example."])
async def test_a_trusted_server_is_spoken_to_and_its_connection_kept(
    trusting: ssl.SSLContext, tls: ssl.SSLContext, host: str
) -> None:
    async with _a_client(trusting) as client, HostileServer(always(OK), tls=tls) as server:
        for _ in range(3):
            response = await asking(client)(server.port, host=host, scheme="https", body=_LARGE)
            assert response.body == b"ok"
        assert server.connections == 1
        assert server.requests[0].body == _LARGE


async def test_the_server_is_told_the_name_it_is_asked_for(trusting: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    names: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    async with _a_client(trusting) as client, HostileServer(always(OK), tls=tls) as server:
        await asking(client)(server.port, host="HOOKS.example", scheme="https")

        assert names == ["hooks.example"]


async def test_a_certificate_for_another_host_is_refused(trusting: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    async with _a_client(trusting) as client, HostileServer(always(OK), tls=tls) as server:
        with pytest.raises(TlsFailed, match="mismatch"):
            await asking(client)(server.port, host="other.example", scheme="https")

        assert server.requests == []


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    expired = make_certificates(tmp_path, names=_NAMES, valid_for=timedelta(hours=-1))
    trusting, tls = ssl.create_default_context(cafile=expired.ca_file), _server_context(expired)
    async with _a_client(trusting) as client, HostileServer(always(OK), tls=tls) as server:
        with pytest.raises(TlsFailed, match="expired"):
            await asking(client)(server.port, host="hooks.example", scheme="https")


@pytest.mark.parametrize("trusted", ["the system's authorities", "another authority"])
async def test_an_unknown_authority_is_refused(tls: ssl.SSLContext, tmp_path: Path, trusted: str) -> None:
    context = None
    if trusted == "another authority":
        context = ssl.create_default_context(cafile=make_certificates(tmp_path, names=_NAMES).ca_file)
    async with _a_client(context) as client, HostileServer(always(OK), tls=tls) as server:
        with pytest.raises(TlsFailed) as caught:
            await asking(client)(server.port, host="hooks.example", scheme="https")

        assert str(caught.value).startswith(f"hooks.example:{server.port}: TLS failed (")
        assert server.requests == []


async def test_a_server_that_speaks_no_tls_is_a_tls_failure(trusting: ssl.SSLContext) -> None:
    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.until_gone()

    async with _a_client(trusting) as client, HostileServer(plain) as server:
        with pytest.raises(TlsFailed):
            await asking(client)(server.port, host="hooks.example", scheme="https")


async def test_a_server_that_closes_in_the_handshake_is_an_error(trusting: ssl.SSLContext) -> None:
    async def shut(peer: Peer) -> None:
        peer.close()

    async with _a_client(trusting) as client, HostileServer(shut) as server:
        with pytest.raises((TlsFailed, ConnectionClosed, ConnectionReset)):
            await asking(client)(server.port, host="hooks.example", scheme="https")


async def test_plain_and_encrypted_connections_are_not_mixed(trusting: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    async with _a_client(trusting) as client, HostileServer(always(OK), tls=tls) as server:
        await asking(client)(server.port, scheme="https")
        with pytest.raises((ConnectionClosed, ConnectionReset)):
            await asking(client)(server.port, scheme="http", seconds=5)

        assert client.connections_opened == 2


async def test_a_body_may_be_ended_by_the_end_of_an_encrypted_stream(
    trusting: ssl.SSLContext, tls: ssl.SSLContext
) -> None:
    async def ends(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")

    async with _a_client(trusting) as client, HostileServer(ends, tls=tls) as server:
        assert (await asking(client)(server.port, scheme="https")).body == b"hello"


async def test_closing_the_client_says_goodbye_to_encrypted_peers(
    trusting: ssl.SSLContext, tls: ssl.SSLContext
) -> None:
    async with _a_client(trusting) as client, HostileServer(always(OK), tls=tls) as server:
        await asking(client)(server.port, scheme="https")
        await client.aclose()

        await server.until_open(0)
        await until(lambda: client.connections_open == 0)


async def test_an_idle_encrypted_connection_that_the_server_closed_is_noticed(
    trusting: ssl.SSLContext, tls: ssl.SSLContext
) -> None:
    leave = asyncio.Event()

    async def leaves(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await leave.wait()

    async with _a_client(trusting) as client, HostileServer(leaves, tls=tls) as server:
        await asking(client)(server.port, scheme="https")
        leave.set()
        await until(lambda: client.connections_open == 0)

        assert (await asking(client)(server.port, scheme="https")).status == 200
