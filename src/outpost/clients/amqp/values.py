"""Values as AMQP writes them, and the tables made of them.

AMQP 0-9-1, section 4.2.5, with the type letters that RabbitMQ reads and writes (its page "Protocol errata"):

    t bool   b B 8-bit   s u 16-bit   I i 32-bit   l 64-bit   f d float   D decimal
    S text or bytes   x bytes   T seconds since the epoch   A array   F table   V nothing
"""

import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from outpost.clients.amqp.errors import ProtocolError

Table = Mapping[str, Any]
"""Keys to bool, int, float, str, bytes, None, sequences and tables."""

_MOST_NESTED = 32
_U16, _U32, _U64 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")
_NUMBERS = {
    ord(letter): struct.Struct(">" + code)
    for letter, code in {
        "t": "?", "b": "b", "B": "B", "s": "h", "u": "H", "I": "i", "i": "I", "l": "q", "f": "f", "d": "d", "T": "Q"
    }.items()
}  # fmt: skip


def short_string(text: str) -> bytes:
    """Return text of at most 255 bytes of UTF-8.

    Raises:
        ValueError: It is longer.
    """
    raw = text.encode()
    if len(raw) > 255:
        raise ValueError(f"a name of {len(raw)} bytes is too long for AMQP, which allows 255")
    return bytes((len(raw),)) + raw


def long_string(raw: bytes) -> bytes:
    return _U32.pack(len(raw)) + raw


def table(entries: Table) -> bytes:
    return long_string(b"".join(short_string(key) + _field(value) for key, value in entries.items()))


def _field(value: Any) -> bytes:
    match value:
        case None:
            return b"V"
        case bool():
            return b"t" + bytes((value,))
        case int():
            return struct.pack(">ci", b"I", value) if -(2**31) <= value < 2**31 else struct.pack(">cq", b"l", value)
        case float():
            return struct.pack(">cd", b"d", value)
        case str():
            return b"S" + long_string(value.encode())
        case bytes():
            return b"x" + long_string(value)
        case Mapping():
            return b"F" + table(value)  # pyright: ignore[reportUnknownArgumentType]
        case Sequence():
            return b"A" + long_string(b"".join(map(_field, value)))  # pyright: ignore[reportUnknownArgumentType]
        case _:
            raise TypeError(f"AMQP has no type for {type(value).__name__}")


class Cursor:
    """Reads values one after the other from a part of some bytes, never beyond its end."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data = data
        self._at = at
        self._end = end

    def u8(self) -> int:
        return self._data[self._skip(1)]

    def u16(self) -> int:
        return _U16.unpack_from(self._data, self._skip(2))[0]

    def u32(self) -> int:
        return _U32.unpack_from(self._data, self._skip(4))[0]

    def u64(self) -> int:
        return _U64.unpack_from(self._data, self._skip(8))[0]

    def raw(self, size: int) -> bytes:
        start = self._skip(size)
        return self._data[start : start + size]

    def short_string(self) -> str:
        return self.raw(self.u8()).decode("utf-8", "replace")

    def long_string(self) -> bytes:
        return self.raw(self.u32())

    def table(self, depth: int = 0) -> dict[str, Any]:
        inner = self._inner(depth)
        entries: dict[str, Any] = {}
        while inner._at < inner._end:
            key = inner.short_string()
            entries[key] = inner._field(depth)
        return entries

    def _array(self, depth: int) -> list[Any]:
        inner = self._inner(depth)
        items: list[Any] = []
        while inner._at < inner._end:
            items.append(inner._field(depth))
        return items

    def _field(self, depth: int) -> Any:
        letter = self.u8()
        if number := _NUMBERS.get(letter):
            return number.unpack_from(self._data, self._skip(number.size))[0]
        match chr(letter):
            case "S":
                return self._text()
            case "x":
                return self.long_string()
            case "D":
                return self._decimal()
            case "A":
                return self._array(depth + 1)
            case "F":
                return self.table(depth + 1)
            case "V":
                return None
            case _:
                raise ProtocolError(f"a table holds a value of the unknown type {letter}")

    def _inner(self, depth: int) -> "Cursor":
        if depth > _MOST_NESTED:
            raise ProtocolError("a table is nested too deeply")
        size = self.u32()
        start = self._skip(size)
        return Cursor(self._data, start, start + size)

    def _skip(self, size: int) -> int:
        start = self._at
        if start + size > self._end:
            raise ProtocolError("a value goes beyond the end of its frame")
        self._at = start + size
        return start

    def _text(self) -> str | bytes:
        raw = self.long_string()
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw

    def _decimal(self) -> Decimal:
        places, digits = self.u8(), self.u32()
        return Decimal(digits - (digits >> 31 << 32)).scaleb(-places)
