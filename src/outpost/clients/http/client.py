"""The client: one method that sends a request and returns its response."""

import asyncio
import ssl

from outpost.clients.http.connection import PIECE, Connection, StaleConnection
from outpost.clients.http.dialler import AddressCheck, Dialler
from outpost.clients.http.errors import DeadlineExceeded
from outpost.clients.http.names import Names, Resolver
from outpost.clients.http.pool import Pool
from outpost.clients.http.proxy import Proxy, ProxyRoute
from outpost.clients.http.response import Response
from outpost.clients.http.url import Url

# RFC 9110, 8.6: without a body these say nothing about its length; the others say 0.
_USUALLY_BODILESS = frozenset((b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE"))


class HttpClient:
    """Sends HTTP/1.1 requests over connections it keeps, to addresses it has checked.

    Requests may run together, each on a connection of its own. Redirects are answers like any other, and content
    codings are the caller's business. One client belongs to one event loop.
    """

    def __init__(
        self,
        *,
        check: AddressCheck | None = None,
        proxy: Proxy | None = None,
        resolver: Resolver | None = None,
        max_idle: int = 512,
        max_idle_per_host: int = 256,
        idle_timeout: float = 90.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Make a client; nothing is opened.

        Args:
            check: Says which addresses a host may have. It sees every new connection; an idle connection was seen when
                it was opened. With a proxy it sees, at each request, only hosts that are addresses.
            proxy: Carries every request, and looks up the names in them.
            resolver: Looks names up; default: the system's own. What it says is kept for 15 s.
            max_idle: Most connections that wait for their next request.
            max_idle_per_host: Most of them to one scheme, host and port.
            idle_timeout: Seconds after which one that waits is closed.
            ssl_context: For https; default: the system's certificates, verified. Made when first needed.
        """
        self._pool = Pool(max_idle=max_idle, max_idle_per_host=max_idle_per_host, idle_timeout=idle_timeout)
        self._names = Names(resolver)
        self._route: ProxyRoute | None = None
        self._dialler: Dialler | ProxyRoute
        if proxy is None:
            self._dialler = Dialler(pool=self._pool, names=self._names, check=check, ssl_context=ssl_context)
        else:
            to_proxy = Dialler(pool=self._pool, names=self._names, check=None, ssl_context=ssl_context)
            self._route = self._dialler = ProxyRoute(proxy, pool=self._pool, dialler=to_proxy, check=check)
        self._closed = False

    @property
    def proxied(self) -> bool:
        """Whether requests go through a proxy."""
        return self._route is not None

    @property
    def connections_opened(self) -> int:
        """How many connections were ever opened."""
        return self._pool.connections_opened

    @property
    def connections_reused(self) -> int:
        """How many requests were sent on a connection that had been idle."""
        return self._pool.connections_reused

    @property
    def connections_open(self) -> int:
        """How many connections are open now, idle or not."""
        return self._pool.connections_open

    @property
    def connections_idle(self) -> int:
        """How many connections wait for their next request."""
        return self._pool.connections_idle

    async def request(
        self, method: bytes, url: Url, head: bytes, body: bytes, *, deadline: float, max_body: int
    ) -> Response:
        """Send a request and return the response, whatever its status.

        If a connection that had been idle turns out closed before the first byte of the answer, the request is sent
        once more on a new one; the server may then have seen it twice. Cancelling closes the connection and leaves it
        open whether the server saw the request.

        Args:
            method: In upper case.
            head: Encoded header lines, each `name: value` and CR LF, without Host and Content-Length, which are added.
                That no name or value holds a line break is the caller's to ensure.
            body: Sent with its length. An answer that comes before all of it is sent ends the sending.
            deadline: When everything must be done: lookup, connecting, sending and the last byte of the answer. On the
                clock of the running loop, so `loop.time() + seconds`.
            max_body: Most bytes of the response body that are read; 0 or more.

        Raises:
            HttpError: There was no complete answer.
            ValueError: `head` is not made of complete lines.
            RuntimeError: The client is closed.
            OSError: This machine has no file descriptor or memory left; says nothing about the server.
            Exception: What `check` raised.
        """
        if head and (head[-2:] != b"\r\n" or head[:2] == b"\r\n" or b"\r\n\r\n" in head):
            raise ValueError("head must consist of complete header lines, each ended by CR LF, without an empty one")
        if self._closed:
            raise RuntimeError("the HTTP client is closed")
        origin, start = (url.origin, url.after_method) if self._route is None else self._route.way(url)
        if body or method not in _USUALLY_BODILESS:
            wire = b"%b%b%bContent-Length: %d\r\n\r\n" % (method, start, head, len(body))
            if len(body) <= PIECE:
                wire += body
                body = b""
        else:
            wire = b"%b%b%b\r\n" % (method, start, head)
        head_only = method == b"HEAD"
        connection = self._pool.take(origin)
        if connection is not None:
            future = connection.send(wire, body, head_only=head_only, max_body=max_body, deadline=deadline)
            try:
                response = await future
                return response if self._route is None else self._route.judged(url, response)
            except StaleConnection:
                pass  # on to a new one
            except BaseException:
                connection.abandon(future)
                raise
        response = await self._on_a_new_connection(
            url, wire, body, head_only=head_only, max_body=max_body, deadline=deadline
        )
        return response if self._route is None else self._route.judged(url, response)

    async def aclose(self) -> None:
        """Close the connections that are idle and refuse further requests.

        Requests in flight go on to their end; then their connections close too.
        """
        self._closed = True
        self._pool.close()
        self._names.close()

    async def __aenter__(self) -> "HttpClient":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _on_a_new_connection(
        self, url: Url, wire: bytes, rest: bytes, *, head_only: bool, max_body: int, deadline: float
    ) -> Response:
        if deadline <= asyncio.get_running_loop().time():
            raise DeadlineExceeded(url.endpoint, "connecting")
        connection: Connection | None = None
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit:
                connection = await self._dialler.open(url, deadline=deadline)
                future = connection.send(wire, rest, head_only=head_only, max_body=max_body, deadline=None)
                try:
                    return await future
                except BaseException:
                    connection.abandon(future)
                    raise
        except TimeoutError:
            if not limit.expired():
                raise  # it is the check's own
            doing = "connecting" if connection is None else "waiting for the answer"
            raise DeadlineExceeded(url.endpoint, doing) from None
