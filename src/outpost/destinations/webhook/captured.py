"""What is kept of a receiver's answer: its body as text.

A body in gzip is unpacked, though we do not ask for one: without an Accept-Encoding any coding may come (RFC 9110,
12.5.3). What cannot be unpacked is kept as it came.
"""

import zlib

from outpost.clients.http import Response

NO_CAP = 1 << 40
_MOST_UNPACKED = 8 * 1024 * 1024
"""Where nothing caps a body. A few kilobytes may unpack to gigabytes."""
_GZIP = 16 + zlib.MAX_WBITS


def body_text(response: Response, cap: int) -> str:
    """Return the body, or a note in its place if it is longer than `cap` bytes."""
    if response.truncated:
        return _note(cap)
    if not _is_packed(response):
        return response.body.decode("utf-8", "replace")
    cap = min(cap, _MOST_UNPACKED)
    try:
        body = _unpacked(response.body, cap)
    except zlib.error:
        body = response.body
    return _note(cap) if len(body) > cap else body.decode("utf-8", "replace")


def _note(cap: int) -> str:
    return f"Response body exceeded {cap} bytes and was not stored"


def _is_packed(response: Response) -> bool:
    return any(name == b"content-encoding" and value.lower() == b"gzip" for name, value in response.headers)


def _unpacked(packed: bytes, cap: int) -> bytes:
    """Return at least one byte more than `cap` if there are more. Raises zlib.error."""
    unpacked = bytearray()
    while packed and len(unpacked) <= cap:
        member = zlib.decompressobj(_GZIP)  # RFC 1952, 2.2: a file is one or more members
        unpacked += member.decompress(packed, cap + 1 - len(unpacked))
        packed = member.unused_data
    return bytes(unpacked)
