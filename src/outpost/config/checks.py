"""Rules for single values that a type and a range cannot say."""

import re

_DEPLOYMENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


def deployment_id(text: str) -> str | None:
    if _DEPLOYMENT_ID.fullmatch(text):
        return None
    return "deployment_id may have at most 64 characters of A-Z a-z 0-9 _ -"


def network(text: str) -> str | None:
    """Accept an address or a network such as `10.0.0.0/8`."""
    from ipaddress import ip_network  # only configurations that list networks need it

    try:
        ip_network(text)
    except ValueError as error:
        return f"not a network: {error}"
    return None


def network_or_host(text: str) -> str | None:
    """Accept an address, a network, a host name or `*.suffix`."""
    if "/" in text or ":" in text:
        return network(text)
    if _HOST_NAME.fullmatch(text):
        return None
    return "not a network (10.0.0.0/8), a host name or a suffix (*.example.com)"


def amqp_url(text: str) -> str | None:
    if text.startswith(("amqp://", "amqps://")):
        return None
    return "not a URL that starts with amqp:// or amqps://"


def http_url(text: str) -> str | None:
    if text.startswith(("http://", "https://")):
        return None
    return "not a URL that starts with http:// or https://"
