"""Cursors: where a page begins, as opaque text.

A cursor is the base 62 form of an ASCII or UTF-8 text, read as one big number:

    <kind>v02:<microseconds since 1970>:<id>        ours
    evtv01:<milliseconds>::<id>                     the reference's, for events; attv01 for attempts
    tntv01:<milliseconds>                           the reference's, for tenants

The reference's forms are read, so that a client which is paging while the programs are exchanged goes on.
"""

from enum import StrEnum

from outpost.api.errors import Problem
from outpost.codec import from_microseconds, from_milliseconds, to_microseconds
from outpost.ports.paging import Direction, Position

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_LONGEST = 4096
_HIGHEST_ID = "\U0010ffff"


class CursorKind(StrEnum):
    """The list a cursor belongs to."""

    EVENTS = "evt"
    ATTEMPTS = "att"
    TENANTS = "tnt"


def encode_cursor(kind: CursorKind, position: Position) -> str:
    return to_base62(f"{kind}v02:{to_microseconds(position.at)}:{position.id}".encode())


def decode_cursor(kind: CursorKind, cursor: str, *, reading: Direction) -> Position:
    """Return the position of a cursor.

    Args:
        reading: The direction in which rows are read from it.

    Raises:
        Problem: It is no cursor of this list.
    """
    try:
        text = from_base62(cursor).decode()
    except ValueError:
        raise _invalid() from None
    head, separator, place = text.partition(":")
    if not separator or not head.startswith(f"{kind}v") or "\0" in place:
        raise _invalid()
    version = head.removeprefix(f"{kind}v")
    try:
        if version == "02":
            moment, _, id_ = place.partition(":")
            return Position(from_microseconds(int(moment)), id_)
        if version == "01":
            return _reference_position(kind, place, reading)
    except (ValueError, OverflowError):
        raise _invalid() from None
    raise Problem(400, "cursor version mismatch: expected version 02")


def to_base62(raw: bytes) -> str:
    number = int.from_bytes(raw)
    digits: list[str] = []
    while number:
        number, value = divmod(number, 62)
        digits.append(_DIGITS[value])
    return "".join(reversed(digits))


def from_base62(text: str) -> bytes:
    """Raises ValueError if `text` is not base 62, or too long to be a cursor."""
    if len(text) > _LONGEST:
        raise ValueError("too long")
    number = 0
    for digit in text:
        if digit not in _VALUES:
            raise ValueError(f"not a base 62 digit: {digit!r}")
        number = number * 62 + _VALUES[digit]
    return number.to_bytes((number.bit_length() + 7) // 8)


def _reference_position(kind: CursorKind, place: str, reading: Direction) -> Position:
    if kind is CursorKind.TENANTS:
        # It names a moment only: go on behind all rows of it.
        return Position(from_milliseconds(int(place)), "" if reading == "desc" else _HIGHEST_ID)
    moment, separator, id_ = place.partition("::")
    if not separator:
        raise ValueError("no id")
    return Position(from_milliseconds(int(moment)), id_)


def _invalid() -> Problem:
    return Problem(400, "invalid cursor")
