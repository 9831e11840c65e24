"""Values and tables."""

import struct
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.clients.amqp.errors import ProtocolError
from outpost.clients.amqp.values import Cursor, long_string, short_string, table

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
KEYS = st.text(max_size=20)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


def read(data: bytes) -> dict[str, Any]:
    return Cursor(data, 0, len(data)).table()


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_a_table_is_read_as_it_was_written(entries: dict[str, Any]) -> None:
    assert read(table(entries)) == entries


@pytest.mark.parametrize(
    ("letter", "raw", "value"),
    [
        (b"b", b"\xff", -1),
        (b"B", b"\xff", 255),
        (b"s", b"\xff\xfe", -2),
        (b"u", b"\xff\xfe", 65534),
        (b"i", b"\xff\xff\xff\xff", 2**32 - 1),
        (b"f", struct.pack(">f", 0.5), 0.5),
        (b"T", struct.pack(">Q", 1_700_000_000), 1_700_000_000),
        (b"D", b"\x02\x00\x00\x30\x39", Decimal("123.45")),
        (b"D", b"\x00\xff\xff\xff\xff", Decimal(-1)),
        (b"S", long_string(b"\xff"), b"\xff"),
    ],
)
def test_types_that_only_brokers_write_are_read(letter: bytes, raw: bytes, value: object) -> None:
    assert read(long_string(short_string("key") + letter + raw)) == {"key": value}


@given(st.binary(max_size=60))
def test_any_bytes_are_a_table_or_an_error(data: bytes) -> None:
    with suppress(ProtocolError):
        read(data)


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.data())
def test_a_table_that_is_cut_off_is_an_error(entries: dict[str, Any], data: st.DataObject) -> None:
    whole = table(entries)

    with pytest.raises(ProtocolError):
        read(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_a_value_never_reaches_into_the_next_frame() -> None:
    with pytest.raises(ProtocolError, match="beyond the end"):
        Cursor(b"\x05hello", 0, 4).short_string()


def test_a_table_within_a_table_within_a_table_has_an_end() -> None:
    nested: dict[str, Any] = {}
    for _ in range(200):
        nested = {"": nested}

    with pytest.raises(ProtocolError, match="nested too deeply"):
        read(table(nested))


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="unknown type 63"):
        read(long_string(short_string("key") + b"?"))


def test_a_name_that_is_too_long_is_refused() -> None:
    assert short_string("ü" * 127)[0] == 254

    with pytest.raises(ValueError, match="too long"):
        short_string("ü" * 128)


def test_a_value_amqp_has_no_type_for_is_refused() -> None:
    with pytest.raises(TypeError, match="no type for object"):
        table({"key": object()})
