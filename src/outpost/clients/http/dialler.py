"""Opening connections: look up, check, connect, in this order and with nothing between."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from outpost.clients.http.connection import Connection
from outpost.clients.http.errors import DeadlineExceeded, HttpError, NetworkUnreachable, TlsFailed, translated
from outpost.clients.http.names import Address, Names
from outpost.clients.http.pool import Pool
from outpost.clients.http.url import Url

AddressCheck = Callable[[str, Sequence[Address]], Sequence[Address]]
"""Decides which addresses of a host may be connected to, and in which order.

Called for every new connection with the host of the URL and all its addresses, also when the host is an address itself.
The client connects to what is returned and to nothing else. Addresses are as looked up: IPv4 addresses inside IPv6 ones
(mapped, NAT64, 6to4) are the check's to unwrap. An exception of the check is the request's failure, unchanged.
"""

TLS_GOODBYE_SECONDS = 1.0
"""How long a peer may take to say goodbye."""

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


class Dialler:
    """Opens connections to the addresses that the check lets through."""

    def __init__(
        self, *, pool: Pool, names: Names, check: AddressCheck | None, ssl_context: ssl.SSLContext | None
    ) -> None:
        self._pool = pool
        self._names = names
        self._check = check
        self._ssl_context = ssl_context

    async def open(self, url: Url, *, deadline: float) -> Connection:
        """Open a connection for requests of the URL's origin; the rest is as `dial` says."""
        new = partial(Connection, self._pool, asyncio.get_running_loop(), origin=url.origin, endpoint=url.endpoint)
        return await self.dial(url, new, deadline=deadline)

    async def dial(self, url: Url, new: Callable[[], _Protocol], *, deadline: float) -> _Protocol:
        """Connect a new protocol to the first address that answers.

        The caller ends the wait at `deadline`; here it only shares the time out among the addresses, so that one that
        swallows packets does not keep the next from being tried.

        Raises:
            HttpError: No address answered; the error is that of the last one.
            OSError: This machine has no file descriptor or memory left.
            Exception: What the check raised.
        """
        addresses = await self._permitted(url)
        loop = asyncio.get_running_loop()
        failure: HttpError = NetworkUnreachable(url.endpoint, "the address check left no address")
        for position, address in enumerate(addresses):
            left = len(addresses) - position
            share = (deadline - loop.time()) / left if left > 1 else None
            try:
                async with asyncio.timeout(share):
                    return await self._connect(url, address, new())
            except TimeoutError:
                failure = DeadlineExceeded(url.endpoint, "connecting")
            except OSError as error:
                translation = translated(error, url.endpoint)
                if not isinstance(translation, HttpError):
                    raise
                if isinstance(translation, TlsFailed):
                    raise translation from error
                failure = translation
        self._names.forget(url.host, url.port)
        raise failure

    async def _permitted(self, url: Url) -> Sequence[Address]:
        if url.address is not None:
            addresses: Sequence[Address] = (url.address,)
        else:
            addresses = await self._names.addresses(url.host, url.port, url.endpoint)
        return addresses if self._check is None else self._check(url.host, addresses)

    async def _connect(self, url: Url, address: Address, protocol: _Protocol) -> _Protocol:
        loop = asyncio.get_running_loop()
        try:
            if url.scheme == "https":
                await loop.create_connection(
                    lambda: protocol,
                    str(address),
                    url.port,
                    ssl=self.tls(),
                    server_hostname=url.host.removesuffix("."),
                    ssl_shutdown_timeout=TLS_GOODBYE_SECONDS,
                )
            else:
                await loop.create_connection(lambda: protocol, str(address), url.port)
        except BaseException:
            # It may have been made in this very moment, and uvloop then closes it without telling it.
            self._pool.closed(protocol)
            raise
        return protocol

    def tls(self) -> ssl.SSLContext:
        """Return the context of all connections, made once when first needed: reading CAs takes a while."""
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context
