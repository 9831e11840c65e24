"""Which network addresses destinations may reach.

A destination is an address that a tenant chose, called from inside the operator's network. By default only addresses
of the public internet are called. A name is resolved once, every address it has is looked at, and the connection goes
to one that was; so a name cannot change its mind in between.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from outpost.domain.errors import ConfigurationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The blocks of the IANA special-purpose registries that are not globally reachable, the anycast services that the
# nearest network answers (6to4 relays, AS112, AMT), and what a cloud provider serves to its machines on a public
# address. Spelled out, because `is_global` of the standard library differs between the versions of Python.
_REFUSED_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure: the platform's own services, as seen from a virtual machine
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
# RFC 4291 and IANA: all unicast addresses given out so far. What is not in here (unique local, link-local, multicast,
# IPv4-compatible, IPv4-translated, local NAT64, segment routing) is refused.
_GLOBAL_V6 = IPv6Network("2000::/3")
# 2001::/23 holds Teredo, benchmarking and ORCHID.
_REFUSED_V6 = [IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20", "2620:4f:8000::/48")]
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")

_HOST = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]*[a-z_-][a-z0-9_-]*")
"""A name whose last part is not a number, which would make it an odd spelling of an address."""


class EgressRefused(Exception):
    """A host may not be called; the message names it and the setting that would allow it."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is not a public address; the operator can allow it with EGRESS_ALLOW")


class EgressPolicy:
    """Decides about hosts by their addresses."""

    def __init__(self, *, guard: bool = True, allow: Sequence[str] = ()) -> None:
        """Args:
            guard: False allows everything.
            allow: Networks, addresses, host names and `*.suffix` that may be called though they are not public.

        Raises:
            ConfigurationError: An entry is none of these.
        """
        self._guard = guard
        self._networks: list[Network] = []
        self._hosts: set[str] = set()
        self._suffixes: list[str] = []
        for entry in allow:
            self._add(entry.strip().lower())

    def check(self, host: str, addresses: Sequence[Address]) -> Sequence[Address]:
        """Return the addresses if all of them may be called.

        Raises:
            EgressRefused: One of them may not.
        """
        if not self._guard or self._is_named(host):
            return addresses
        for address in addresses:
            if not is_public(address) and not self._is_allowed(address):
                raise EgressRefused(host)
        return addresses

    def _add(self, entry: str) -> None:
        try:
            self._networks.append(ip_network(entry, strict=False))
            return
        except ValueError:
            name = entry.removeprefix("*.").removesuffix(".")
        if not _HOST.fullmatch(name):
            raise ConfigurationError(
                f"EGRESS_ALLOW: {entry!r} is not a network (10.0.0.0/8), a host name or a suffix (*.example.com)"
            )
        if entry.startswith("*."):
            self._suffixes.append(f".{name}")
        else:
            self._hosts.add(name)

    def _is_named(self, host: str) -> bool:
        name = host.lower().removesuffix(".")
        return name in self._hosts or any(name.endswith(suffix) for suffix in self._suffixes)

    def _is_allowed(self, address: Address) -> bool:
        meant = unwrapped(address)
        return any(each in network for network in self._networks for each in (address, meant))


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the public internet, also the IPv4 address that an IPv6 one carries."""
    meant = unwrapped(address)
    if isinstance(meant, IPv4Address):
        return not any(meant in network for network in _REFUSED_V4)
    return meant in _GLOBAL_V6 and not any(meant in network for network in _REFUSED_V6)


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 address that stands for one (mapped, NAT64, 6to4), else the address."""
    if isinstance(address, IPv4Address):
        return address
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address if address.sixtofour is None else address.sixtofour
