"""What can go wrong with a request.

    HttpError
    ├── NameNotResolved       the name has no address, or the lookup failed
    ├── ConnectionRefused     nobody listens there
    ├── ConnectionReset       the server broke the connection off
    ├── NetworkUnreachable    no way to the address
    ├── DeadlineExceeded      the time was up, whatever the request was doing
    ├── TlsFailed             the handshake or the certificate
    ├── ProtocolError         the answer is not HTTP, or exceeds a limit
    ├── ConnectionClosed      the server closed before its answer was complete
    ├── ProxyUnavailable      the proxy cannot be used, by nobody and for no server
    └── TunnelRefused         the proxy has no way to this server, or allows none

Each message names host and port and never holds a byte of a header, a body or a path, nor the address a name resolved
to. What is this machine's own trouble (no file descriptor, no memory) is no HttpError: the OSError comes through.
"""

import errno
import os
import ssl


class HttpError(Exception):
    """A request that got no answer.

    Attributes:
        endpoint: `host:port`, an IPv6 address in brackets.
        detail: More about the cause; may be empty.
    """

    sentence = "the request failed"

    def __init__(self, endpoint: str, detail: str = "") -> None:
        super().__init__(endpoint, detail)
        self.endpoint = endpoint
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.sentence}" + (f" ({self.detail})" if self.detail else "")


class NameNotResolved(HttpError):
    """The host name has no address, or its lookup failed."""

    sentence = "the host name could not be resolved"


class ConnectionRefused(HttpError):
    """Nobody listens on the port."""

    sentence = "the connection was refused"


class ConnectionReset(HttpError):
    """The connection broke off."""

    sentence = "the connection was reset"


class NetworkUnreachable(HttpError):
    """There is no way to the address."""

    sentence = "the network or host is unreachable"


class DeadlineExceeded(HttpError):
    """The time for the whole request was up, or the network gave up waiting before that."""

    sentence = "the deadline passed"


class TlsFailed(HttpError):
    """No trusted encrypted connection: handshake, certificate or record."""

    sentence = "TLS failed"


class ProtocolError(HttpError):
    """The server's bytes are not an HTTP/1.x response, or exceed a limit."""

    sentence = "the server did not answer in valid HTTP"


class ConnectionClosed(HttpError):
    """The server closed the connection before its answer was complete."""

    sentence = "the server closed the connection before its answer was complete"


class ProxyUnavailable(HttpError):
    """The proxy does not take connections, or not with this user and password; says nothing about the server."""

    sentence = "the proxy cannot be used"


class TunnelRefused(HttpError):
    """The proxy did not open a way to the server.

    Attributes:
        status: What the proxy answered.
        headers: Of its answer, names in lower case.
    """

    sentence = "the proxy opened no way to the server"

    def __init__(self, endpoint: str, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        super().__init__(endpoint, f"status {status}")
        self.status = status
        self.headers = headers


_REFUSED = {errno.ECONNREFUSED}
_RESET = {errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN}
_WAITED = {errno.ETIMEDOUT}
_LOCAL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def translated(error: Exception, endpoint: str) -> Exception:
    """Return the HttpError for what a socket reported, or `error` itself where it is this machine's own trouble."""
    if isinstance(error, ssl.SSLError):
        return TlsFailed(endpoint, _tls_detail(error))
    if not isinstance(error, OSError) or error.errno in _LOCAL:
        return error
    detail = os.strerror(error.errno).lower() if error.errno else ""
    if isinstance(error, ConnectionRefusedError) or error.errno in _REFUSED:
        return ConnectionRefused(endpoint)
    if isinstance(error, ConnectionError) or error.errno in _RESET:
        return ConnectionReset(endpoint)
    if error.errno in _WAITED:
        return DeadlineExceeded(endpoint, detail)
    return NetworkUnreachable(endpoint, detail)


def _tls_detail(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    return (error.reason or "connection lost").lower().replace("_", " ")
