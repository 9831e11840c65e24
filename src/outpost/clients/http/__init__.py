"""An HTTP/1.1 client for many small requests to many hosts: callbacks over a compiled parser, no streams.

    client = HttpClient(check=only_public_addresses)
    url = Url.parse("https://example.com/hooks?x=1")
    deadline = asyncio.get_running_loop().time() + 5
    response = await client.request(b"POST", url, head, b"hello", deadline=deadline, max_body=1024)

A response is returned whatever its status; an HttpError says why there is none.
"""

from outpost.clients.http.client import HttpClient
from outpost.clients.http.dialler import AddressCheck
from outpost.clients.http.errors import (
    ConnectionClosed,
    ConnectionRefused,
    ConnectionReset,
    DeadlineExceeded,
    HttpError,
    NameNotResolved,
    NetworkUnreachable,
    ProtocolError,
    ProxyUnavailable,
    TlsFailed,
    TunnelRefused,
)
from outpost.clients.http.names import Address, Resolver
from outpost.clients.http.proxy import Proxy
from outpost.clients.http.response import Response
from outpost.clients.http.url import InvalidUrl, Url

__all__ = [
    "Address",
    "AddressCheck",
    "ConnectionClosed",
    "ConnectionRefused",
    "ConnectionReset",
    "DeadlineExceeded",
    "HttpClient",
    "HttpError",
    "InvalidUrl",
    "NameNotResolved",
    "NetworkUnreachable",
    "ProtocolError",
    "Proxy",
    "ProxyUnavailable",
    "Resolver",
    "Response",
    "TlsFailed",
    "TunnelRefused",
    "Url",
]
