"""CONNECT: a connection to a proxy becomes a way to one server, and TLS is spoken through it (RFC 9110, 9.3.6)."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from outpost.clients.http.connection import MAX_HEAD, Connection
from outpost.clients.http.dialler import TLS_GOODBYE_SECONDS
from outpost.clients.http.errors import ConnectionClosed, ProtocolError, ProxyUnavailable, TunnelRefused, translated
from outpost.clients.http.url import Url


def wants_credentials(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Say whether an answer is a proxy's that does not take our user and password.

    RFC 9110, 15.5.8: it then says what it wants instead. Filtering proxies send 407 without that to say that they let
    nobody through to this server.
    """
    return status == 407 and any(name == b"proxy-authenticate" for name, _ in headers)


class Tunnel(asyncio.Protocol):
    """A connection to a proxy until TLS with the server stands. What it receives before that is the proxy's own."""

    def __init__(self, proxy_endpoint: str) -> None:
        self._endpoint = proxy_endpoint
        self._answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._headers: list[tuple[bytes, bytes]] = []
        self._received = 0
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    async def ask_for(self, url: Url, authorization: bytes) -> None:
        """Ask the proxy for a way to the server of `url`.

        Raises:
            ProxyUnavailable: It does not take the user and password.
            TunnelRefused: It has no way to the server, or lets nobody through to it.
            HttpError: It gave no answer.
        """
        server = url.endpoint.encode("ascii")
        self._transport.write(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (server, server, authorization))
        try:
            status = await self._answer
        finally:
            self._parser = None  # which refers back to us
        if status == 401 or wants_credentials(status, self._headers):
            raise ProxyUnavailable(self._endpoint, f"it answered {status}")
        if not 200 <= status < 300:
            raise TunnelRefused(url.endpoint, status, self._headers)

    async def encrypt(self, url: Url, connection: Connection, tls: ssl.SSLContext) -> None:
        """Speak TLS with the server and hand what it says to `connection`.

        Raises:
            HttpError: TLS with the server failed, or it closed.
            OSError: This machine has no file descriptor or memory left.
        """
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                self._transport,
                self,
                tls,
                server_hostname=url.host.removesuffix("."),
                ssl_shutdown_timeout=TLS_GOODBYE_SECONDS,
            )
        except OSError as error:
            raise translated(error, url.endpoint) from error
        if encrypted is None or encrypted.is_closing():
            raise ConnectionClosed(url.endpoint)
        encrypted.set_protocol(connection)
        connection.connection_made(encrypted)

    def abort(self) -> None:
        self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._answer.done():  # nobody may speak before we do
            self._transport.abort()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail(ProtocolError(self._endpoint, "the proxy's answer is not HTTP"))
        if self._received > MAX_HEAD:
            self._fail(ProtocolError(self._endpoint, f"the headers of the proxy's answer exceed {MAX_HEAD} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionClosed(self._endpoint) if exc is None else translated(exc, self._endpoint))

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        assert self._parser is not None  # it calls us
        status = self._parser.get_status_code()
        if status < 200:  # interim (RFC 9110, 15.2)
            self._headers.clear()
        elif not self._answer.done():
            self._answer.set_result(status)

    def on_body(self, data: bytes) -> None:
        if self._answer.done() and not self._answer.cancelled() and 200 <= self._answer.result() < 300:
            self._transport.abort()  # bytes that would pass for the server's

    def _fail(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)
            self._answer.exception()  # nobody need ask for it any more
