"""Cursors: ours, the reference's, and what is neither."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.api.cursors import CursorKind, decode_cursor, encode_cursor, from_base62, to_base62
from outpost.api.errors import Problem
from outpost.ports.paging import Direction, Position
from tests.support.builders import START

INSTANTS = st.datetimes(timezones=st.just(UTC))
IDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300)


@given(st.sampled_from(CursorKind), INSTANTS, IDS)
def test_a_cursor_leads_back_to_its_position(kind: CursorKind, at: datetime, id_: str) -> None:
    cursor = encode_cursor(kind, Position(at, id_))

    assert decode_cursor(kind, cursor, reading="desc") == Position(at, id_)
    assert cursor.isalnum()
    assert cursor.isascii()


@given(st.text(max_size=200))
def test_a_text_is_a_cursor_or_refused(text: str) -> None:
    with suppress(Problem):
        decode_cursor(CursorKind.EVENTS, text, reading="asc")


@pytest.mark.parametrize("kind", [CursorKind.EVENTS, CursorKind.ATTEMPTS])
def test_a_cursor_of_the_reference_is_read(kind: CursorKind) -> None:
    cursor = to_base62(f"{kind}v01:1767323045678::id:with::colons".encode())

    position = decode_cursor(kind, cursor, reading="desc")

    assert position == Position(START.replace(microsecond=678_000), "id:with::colons")


@pytest.mark.parametrize(
    ("kind", "cursor", "id_"),
    [
        (CursorKind.EVENTS, "1f3NIeN6a1j8EG15co8Vrp7HTTs8Nm5Y2VbAR", "evt_1"),
        (CursorKind.ATTEMPTS, "1c14LYHrgflBNsVKipII8qoi28fUdVH1MbXHj", "atm_1"),
        (CursorKind.TENANTS, "gC02baKQeaZ25qS56GFBzs2drdK", ""),
    ],
)
def test_golden_cursors_are_read(kind: CursorKind, cursor: str, id_: str) -> None:
    """Golden fixture F7."""
    assert decode_cursor(kind, cursor, reading="desc") == Position(START.replace(microsecond=678_000), id_)


@pytest.mark.parametrize(("reading", "id_"), [("desc", ""), ("asc", "\U0010ffff")])
def test_a_tenant_cursor_of_the_reference_goes_on_behind_its_instant(reading: Direction, id_: str) -> None:
    cursor = to_base62(b"tntv01:1767323045678")

    position = decode_cursor(CursorKind.TENANTS, cursor, reading=reading)

    assert position == Position(START.replace(microsecond=678_000), id_)


@pytest.mark.parametrize(
    "text",
    [
        "evtv02:abc:id",
        "evtv02:",
        "evtv02:99999999999999999999999:id",
        "evtv02:-99999999999999999:id",
        "evtv01:123",
        "evtv01:abc::id",
        "evtv02:1:\0",
        "attv02:1:id",
        "evt",
        "",
        "rubbish",
    ],
)
def test_a_position_that_means_nothing_is_refused(text: str) -> None:
    """Fault 7: the reference starts again at the first page."""
    with pytest.raises(Problem, match=r"^invalid cursor$") as caught:
        decode_cursor(CursorKind.EVENTS, to_base62(text.encode()), reading="desc")

    assert caught.value.status == 400


def test_a_cursor_of_a_later_version_is_told_apart() -> None:
    """Scenario 116."""
    with pytest.raises(Problem, match="cursor version mismatch: expected version 02"):
        decode_cursor(CursorKind.EVENTS, to_base62(b"evtv03:1:id"), reading="desc")


@given(st.binary(min_size=1, max_size=100).filter(lambda raw: raw[0] != 0))
def test_base_62_is_reversible(raw: bytes) -> None:
    assert from_base62(to_base62(raw)) == raw


def test_base_62_counts_digits_then_small_then_capital_letters() -> None:
    assert [to_base62(bytes([number])) for number in (9, 10, 35, 36, 61, 62)] == ["9", "a", "z", "A", "Z", "10"]
