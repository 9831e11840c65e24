"""The host of a URL: an address in any of its spellings, or a name."""

import contextlib
import re
import socket
from ipaddress import AddressValueError, IPv4Address, IPv6Address

# RFC 1035 2.3.4: labels of up to 63 bytes, 253 in all. Underscores are no host name by the book, but in use.
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_LONGEST = 253
# WHATWG URL, "ends in a number checker": a host whose last label is a number is an IPv4 address or nothing.
_ENDS_IN_A_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$")
# inet_aton itself reads "127.0.0.1 anything" as an address.
_NUMBERS_AND_DOTS = re.compile(r"[0-9a-fx.]+")
# IDNA 2003 and 2008 turn these into different names, so we would not know which host is meant.
_AMBIGUOUS = frozenset("ßẞς\u200c\u200d")


class InvalidHost(ValueError):
    """The text is no host; the message is the end of a sentence that starts with "the URL"."""


def parse_host(text: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    """Return the host in its one spelling, and its address if it is one and not a name.

    Args:
        text: As written in a URL, an IPv6 address in brackets.

    Raises:
        InvalidHost: It is neither an address nor a name.
    """
    if text.startswith("["):
        ipv6 = _parse_ipv6(text)
        return str(ipv6), ipv6
    name = (text if text.isascii() else _to_ascii(text)).lower()
    if _ENDS_IN_A_NUMBER.search(name):
        ipv4 = _parse_ipv4(name)
        return str(ipv4), ipv4
    _check_name(name)
    return name, None


def _parse_ipv6(text: str) -> IPv6Address:
    if not text.endswith("]"):
        raise InvalidHost("opens a bracket before its host and does not close it")
    if "%" in text:
        raise InvalidHost("has an IPv6 address with a zone, which is not supported; leave the zone out")
    try:
        return IPv6Address(text[1:-1])
    except AddressValueError:
        raise InvalidHost("has something in brackets that is no IPv6 address") from None


def _parse_ipv4(name: str) -> IPv4Address:
    # inet_aton knows the spellings that the system's own lookups accept (parts left out, hexadecimal, octal), so that
    # what is checked is what would be reached.
    if _NUMBERS_AND_DOTS.fullmatch(name):
        with contextlib.suppress(OSError):
            return IPv4Address(socket.inet_aton(name.removesuffix(".")))
    raise InvalidHost("has a host that ends in a number and is no IPv4 address")


def _to_ascii(text: str) -> str:
    if len(text) > _LONGEST:  # before the codec, which takes its time with long labels
        raise InvalidHost("has a host name that is too long")
    if not _AMBIGUOUS.isdisjoint(text):
        raise InvalidHost("has a host name with a letter that can mean two names; write the name as xn--…")
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        raise InvalidHost("has a host name that cannot be written in ASCII; write it as xn--…") from None


def _check_name(name: str) -> None:
    if not name:
        raise InvalidHost("names no host")
    labels = name.removesuffix(".").split(".")
    if len(name.removesuffix(".")) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidHost(
            "has a host name that is not made of letters, digits, hyphens and underscores in parts of up to 63"
        )
