"""How to reach a server."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Send = Callable[..., Awaitable[Any]]
"""Sends a command, given as its arguments, and returns the reply; see `Commands.send`."""

Admit = Callable[[str, Send], Awaitable[None]]
"""Takes the endpoint that a new connection leads to, and what sends on it; raises a RedisError to refuse the server."""


@dataclass(frozen=True, kw_only=True)
class RedisOptions:
    """One server, or a node of a cluster.

    Attributes:
        username: User of the access control list; empty means the default user.
        password: Empty means that nobody logs in.
        tls: For connections with TLS; see `tls_context`.
        name: Shown by CLIENT LIST; empty means none.
        connect_timeout: Seconds for name lookup, connecting, TLS and login together.
        response_timeout: Seconds a command may go unanswered before the connection counts as lost; None means for ever,
            which blocking commands need.
        admit: Asked about each new connection before anything else is sent on it; commands that wait get its error.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: ssl.SSLContext | None = None
    name: str = ""
    connect_timeout: float = 5.0
    response_timeout: float | None = 10.0
    admit: Admit | None = None

    @property
    def endpoint(self) -> str:
        return endpoint(self.host, self.port)


def endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tls_context(*, ca_file: str = "", verify: bool = True) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or newer. Making one takes a while: share it.

    Args:
        ca_file: PEM file of the authorities to trust; empty means those of the system.
        verify: Check the server's certificate and name.

    Raises:
        OSError: The file cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
