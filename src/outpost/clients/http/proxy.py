"""Requests by way of an HTTP proxy.

    http://one.example/p    →  POST http://one.example/p        absolute form; connections to the proxy serve every host
    https://two.example/p   →  CONNECT two.example:443, then TLS with two.example inside; a tunnel serves one host

The proxy looks up the names of what it is asked for. So only hosts that are addresses can be checked here; which names
lead where is the proxy's to check. Its own address is whatever it was configured to be and passes no check.
"""

import asyncio
import base64
from collections.abc import Coroutine
from typing import Any, TypeVar

from outpost.clients.http.connection import Connection
from outpost.clients.http.dialler import AddressCheck, Dialler
from outpost.clients.http.errors import HttpError, NetworkUnreachable, ProxyUnavailable
from outpost.clients.http.pool import Pool
from outpost.clients.http.response import Response
from outpost.clients.http.tunnel import Tunnel, wants_credentials
from outpost.clients.http.url import InvalidUrl, Url

_T = TypeVar("_T")

_SHARE_FOR_THE_PROXY = 0.5
"""How much of a request's time may pass until the proxy takes the connection. What is left is the server's."""


class Proxy:
    """Where a proxy is, and what it is told about who asks.

    Attributes:
        url: Its address; `https` speaks TLS with the proxy itself.
        authorization: A header line, or nothing.
    """

    def __init__(self, url: Url) -> None:
        self.url = url
        self.authorization = b""
        if url.user_info is not None:
            credentials = base64.b64encode(":".join(url.user_info).encode())
            self.authorization = b"Proxy-Authorization: Basic %b\r\n" % credentials

    @classmethod
    def parse(cls, text: str) -> "Proxy":
        """Take `http://user:password@host:port` apart; user and password may be left out.

        Raises:
            InvalidUrl: It is no http or https URL, or has a path or query.
        """
        url = Url.parse(text)
        if url.target != b"/":
            raise InvalidUrl("the URL of a proxy ends with its port; remove what follows")
        return cls(url)

    def __repr__(self) -> str:
        """Leave out user and password."""
        return f"Proxy({self.url.origin})"


class ProxyRoute:
    """How the requests of a client reach their servers through a proxy."""

    def __init__(self, proxy: Proxy, *, pool: Pool, dialler: Dialler, check: AddressCheck | None) -> None:
        """Args:
        dialler: Opens the connections to the proxy.
        check: Sees the host of every URL that is an address.
        """
        self._proxy = proxy
        self._pool = pool
        self._dialler = dialler
        self._check = check

    def way(self, url: Url) -> tuple[str, bytes]:
        """Return the origin whose connections can carry a request for `url`, and what follows the method in it.

        Raises:
            NetworkUnreachable: The check left no address.
            Exception: What the check raised.
        """
        if url.address is not None and self._check is not None and not self._check(url.host, (url.address,)):
            raise NetworkUnreachable(url.endpoint, "the address check left no address")
        if url.scheme == "https":
            return _tunnel_origin(url), url.after_method
        # RFC 9112, 3.2.2: absolute form.
        start = b" http://%b%b HTTP/1.1\r\nHost: %b\r\n" % (url.authority, url.target, url.authority)
        return self._proxy.url.origin, start + self._proxy.authorization

    async def open(self, url: Url, *, deadline: float) -> Connection:
        """Open a connection that can carry requests for `url`.

        Raises:
            ProxyUnavailable: The proxy cannot be reached, or does not take its user and password.
            HttpError: The proxy has no way to the server, or TLS with the server failed.
            OSError: This machine has no file descriptor or memory left.
        """
        if url.scheme == "http":
            return await self._reach(self._dialler.open(self._proxy.url, deadline=deadline), deadline)
        dialling = self._dialler.dial(self._proxy.url, lambda: Tunnel(self._proxy.url.endpoint), deadline=deadline)
        tunnel = await self._reach(dialling, deadline)
        try:
            await tunnel.ask_for(url, self._proxy.authorization)
            loop = asyncio.get_running_loop()
            connection = Connection(self._pool, loop, origin=_tunnel_origin(url), endpoint=url.endpoint)
            await tunnel.encrypt(url, connection, self._dialler.tls())
        except BaseException:
            tunnel.abort()
            raise
        return connection

    def judged(self, url: Url, response: Response) -> Response:
        """Return a response unless it is the proxy's own, about its user and password.

        Raises:
            ProxyUnavailable: It is.
        """
        if url.scheme == "http" and wants_credentials(response.status, response.headers):
            raise ProxyUnavailable(self._proxy.url.endpoint, f"it answered {response.status}")
        return response

    async def _reach(self, dialling: Coroutine[Any, Any, _T], deadline: float) -> _T:
        """Wait for the proxy to take a connection; it has a share of the time, so that its fault is known as such."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout((deadline - loop.time()) * _SHARE_FOR_THE_PROXY):
                return await dialling
        except TimeoutError:
            raise ProxyUnavailable(self._proxy.url.endpoint, "it does not take the connection") from None
        except HttpError as error:
            reason = f"{error.sentence}: {error.detail}" if error.detail else error.sentence
            raise ProxyUnavailable(self._proxy.url.endpoint, reason) from error


def _tunnel_origin(url: Url) -> str:
    """Not the URL's own origin, which could be that of a proxy that speaks TLS."""
    return f"tunnel to {url.origin}"
