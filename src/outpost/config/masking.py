"""Shows a URL without what it keeps secret."""

import re

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)


def mask_url(url: str) -> str:
    """Return `url` with user, password, query and fragment masked; text that is no URL becomes `***`.

    The authority ends at the first `/`, `?` or `#`. When an `@` follows that point, a password with an unescaped
    `/`, `?` or `#` was written, so everything up to the last `@` is masked.
    """
    if not url:
        return ""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***"
    credentials, at, address = rest.rpartition("@")
    del credentials
    match = _URL.fullmatch(f"{scheme}://{address}")
    if match is None:
        return "***"
    start, host, path, query, fragment = match.groups()
    masked = "***:***@" if at else ""
    return f"{start}{masked}{host}{path}{'?***' if query else ''}{'#***' if fragment else ''}"


def url_host(url: str) -> str:
    """Return `host:port` of a URL and nothing else of it; empty if it has none."""
    _, separator, rest = url.partition("://")
    if not separator:
        return ""
    return re.split(r"[/?#]", rest.rpartition("@")[2], maxsplit=1)[0]
