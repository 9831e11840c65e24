"""The address that requests come in at."""

import errno
import socket

from outpost.domain.errors import ConfigurationError

EVERY_INTERFACE = ""
"""In place of a host: all interfaces, for IPv6 and IPv4 alike."""

_WITHOUT_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENOPROTOOPT)


def bound_socket(host: str, port: int, *, shares_port: bool = False) -> socket.socket:
    """Return a socket that is bound and does not listen yet.

    Args:
        host: An address, or `EVERY_INTERFACE`, which is IPv4 alone where the system has no IPv6.
        port: 0 takes a free one.
        shares_port: Other processes of this user may listen on the port too.

    Raises:
        ConfigurationError: The address cannot be bound.
    """
    try:
        if host != EVERY_INTERFACE:
            return _bound(socket.AF_INET6 if ":" in host else socket.AF_INET, host, port, shares_port)
        try:
            return _bound(socket.AF_INET6, "::", port, shares_port)
        except OSError as error:
            if error.errno not in _WITHOUT_IPV6:
                raise
            return _bound(socket.AF_INET, "0.0.0.0", port, shares_port)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. Set API_PORT to a free port"
        ) from None


def _bound(family: socket.AddressFamily, host: str, port: int, shares_port: bool) -> socket.socket:
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound
