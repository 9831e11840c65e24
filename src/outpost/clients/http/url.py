"""URLs as the client uses them: checked and taken apart once, with the bytes that every request repeats.

A message never quotes the URL: paths, queries and user names of webhook URLs are often secrets.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote

from outpost.clients.http.host import InvalidHost, parse_host

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PARTS = re.compile(r"([^/?#]*)([^#]*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 3986, 3.3 and 3.4: what may stand in a path or query as it is, and the percent sign of escapes already made.
_LITERAL_IN_TARGET = "!$%&'()*+,-./:;=?@_~[]"


class InvalidUrl(ValueError):
    """The text is no URL that this client can request; the message says why, without quoting it."""


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """An absolute http or https URL.

    Attributes:
        scheme: `http` or `https`.
        host: Lower case. Names in ASCII (`xn--…`), addresses in their usual spelling, however they were written:
            `127.1`, `0x7f000001` and `2130706433` are all `127.0.0.1`. IPv6 without brackets.
        port: Given or the scheme's own.
        target: Path and query as the request line carries them, non-ASCII percent-encoded; the fragment is dropped.
        authority: The value of the Host header: IPv6 in brackets, the scheme's own port left out.
        user_info: User name and password, percent-decoded; None without an `@`. Nothing is sent of it: that is the
            caller's choice.
        address: The address, if the host is one and not a name.
        origin: Scheme, host and port as one text; URLs with the same origin can share connections.
        endpoint: `host:port` for messages, IPv6 in brackets.
        after_method: What follows the method in every request, up to the end of the Host line.
    """

    scheme: str
    host: str
    port: int
    target: bytes
    authority: bytes
    user_info: tuple[str, str] | None
    address: IPv4Address | IPv6Address | None
    origin: str
    endpoint: str
    after_method: bytes

    @classmethod
    def parse(cls, text: str) -> "Url":
        """Take a URL apart.

        Raises:
            InvalidUrl: It is not absolute, not http or https, names no usable host, or holds what no URL may hold.
        """
        if _CONTROL.search(text):
            raise InvalidUrl("the URL holds a control character, such as a line break or tab; remove it")
        scheme, separator, rest = text.partition("://")
        scheme = scheme.lower()
        if not separator or scheme not in _DEFAULT_PORTS:
            raise InvalidUrl("the URL must start with http:// or https://")
        if text != text.rstrip():
            raise InvalidUrl("the URL ends with a blank; remove it")
        parts = _PARTS.match(rest)
        assert parts is not None  # it matches any text
        user_info, host_and_port = _split_user_info(parts[1])
        host_text, port = _split_port(host_and_port, _DEFAULT_PORTS[scheme])
        try:
            host, address = parse_host(host_text)
        except InvalidHost as error:
            raise InvalidUrl(f"the URL {error}") from None
        target = _encode_target(parts[2])
        bracketed = f"[{host}]" if isinstance(address, IPv6Address) else host
        endpoint = f"{bracketed}:{port}"
        authority = (bracketed if port == _DEFAULT_PORTS[scheme] else endpoint).encode("ascii")
        return cls(
            scheme=scheme,
            host=host,
            port=port,
            target=target,
            authority=authority,
            user_info=user_info,
            address=address,
            origin=f"{scheme}://{endpoint}",
            endpoint=endpoint,
            after_method=b" %b HTTP/1.1\r\nHost: %b\r\n" % (target, authority),
        )

    def __repr__(self) -> str:
        """Leave out user, path and query, which may be secrets."""
        return f"Url({self.origin}/…)"


def _split_user_info(authority: str) -> tuple[tuple[str, str] | None, str]:
    # Some programs read a backslash as a slash and would see another host in it than others.
    if "\\" in authority:
        raise InvalidUrl("the URL holds a backslash before its path; use slashes")
    written, separator, host_and_port = authority.rpartition("@")
    if not separator:
        return None, host_and_port
    user, _, password = written.partition(":")
    return (_decode(user), _decode(password)), host_and_port


def _decode(text: str) -> str:
    problem = "the user name or password in the URL is not correctly percent-encoded"
    if _BROKEN_ESCAPE.search(text):
        raise InvalidUrl(problem)
    try:
        return unquote(text, errors="strict")
    except UnicodeError:
        raise InvalidUrl(problem) from None


def _split_port(host_and_port: str, default: int) -> tuple[str, int]:
    host, separator, port = host_and_port.rpartition(":")
    if not separator or port.endswith("]"):  # the colons of an IPv6 address
        return host_and_port, default
    if not port:
        return host, default
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise InvalidUrl("the port in the URL must be a whole number from 1 to 65535")
    return host, int(port)


def _encode_target(text: str) -> bytes:
    if not text.startswith("/"):
        text = "/" + text
    try:
        return quote(text, safe=_LITERAL_IN_TARGET).encode("ascii")
    except UnicodeError:
        raise InvalidUrl("the path or query of the URL holds half a character (a lone surrogate)") from None
