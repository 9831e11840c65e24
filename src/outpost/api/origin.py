"""The address under which a browser reaches this server."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.requests import Request

from outpost.api.errors import Problem

_HOST = re.compile(r"[A-Za-z0-9._\-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


class Origin:
    """Works out scheme and host; what `X-Forwarded-*` headers say counts only from the proxies named."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        """Args:
        trusted_proxies: Addresses and networks, such as `10.0.0.0/8`.
        """
        self._trusted = [ip_network(text, strict=False) for text in trusted_proxies]

    def of(self, request: Request) -> str:
        """Return an origin such as `https://outpost.example.com`.

        Raises:
            Problem: The host is none.
        """
        scheme, host = request.url.scheme, request.headers.get("host", "")
        if self._is_trusted(request):
            scheme = _first(request.headers.get("x-forwarded-proto", "")) or scheme
            host = _first(request.headers.get("x-forwarded-host", "")) or host
        if not _HOST.fullmatch(host):
            raise Problem(400, "invalid Host header")
        return f"{'https' if scheme.lower() == 'https' else 'http'}://{host}"

    def _is_trusted(self, request: Request) -> bool:
        try:
            address = ip_address(request.client.host if request.client else "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address: IPv4Address | IPv6Address = address.ipv4_mapped
        return any(address in network for network in self._trusted)


def _first(text: str) -> str:
    """Each proxy appends to the list; the first element is what the browser used."""
    return text.split(",")[0].strip()
