"""Stored text, byte for byte."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.codec import (
    cut_to_milliseconds,
    format_time,
    from_microseconds,
    from_milliseconds,
    parse_time,
    read_string_map,
    salvage_string_map,
    to_microseconds,
    to_milliseconds,
    write_json,
    write_string_map,
    write_summary,
)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_INSTANTS = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        ("<a>&\u2028\u2029", r'"\u003ca\u003e\u0026\u2028\u2029"'),
        ("\n\r\t\b\f\x00\x1f\x7f/", '"\\n\\r\\t\\b\\f\\u0000\\u001f\x7f/"'),
        ('"\\', r'"\"\\"'),
        ("é☃😀", '"é☃😀"'),
        ("half \ud800", r'"half \ufffd"'),
        ({"é": 1, "z": 2, "😀": 3, "\uffff": 4}, '{"z":2,"é":1,"\uffff":4,"😀":3}'),
        (1.0, "1"),
        (0.1, "0.1"),
        (-0.0, "-0"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-9, "1.5e-9"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.234567e25, "-1.234567e+25"),
        (123456.789, "123456.789"),
        (5e-324, "5e-324"),
        (12345678901234567890, "12345678901234567890"),
        ((1, 2), "[1,2]"),
        ({}, "{}"),
        ([], "[]"),
    ],
)
def test_json_is_written_as_the_reference_writes_it(value: Any, text: str) -> None:
    assert write_json(value) == text


@settings(deadline=None)
@given(_JSON)
def test_json_that_was_written_reads_back(value: Any) -> None:
    assert json.loads(write_json(value)) == value


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_keeps_every_digit(value: float) -> None:
    assert float(write_json(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), [float("nan")]])
def test_a_number_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="has no JSON form"):
        write_json(value)


@pytest.mark.parametrize("value", [b"bytes", {1}, object()])
def test_what_json_does_not_know_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="has no JSON form"):
        write_json(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({}, "{}"),
        (
            {"secret": "whsec_0123456789abcdef", "previous_secret": "a<b>&c"},
            r'{"previous_secret":"a\u003cb\u003e\u0026c","secret":"whsec_0123456789abcdef"}',
        ),
        (
            {"url": "https://example.com/hook?a=1&b=<2>"},
            r'{"url":"https://example.com/hook?a=1\u0026b=\u003c2\u003e"}',
        ),
    ],
)
def test_a_string_map_is_written_as_the_golden_fixtures_say(value: dict[str, str] | None, text: str) -> None:
    assert write_string_map(value) == text
    assert read_string_map(text) == (value or {})


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.text()))
def test_a_string_map_reads_back(value: dict[str, str]) -> None:
    assert read_string_map(write_string_map(value).encode()) == value


@pytest.mark.parametrize("text", ["[]", '{"hush":1}', '{"hush":', "", b"\xff", "[" * 100_000, '"hush"'])
def test_what_is_no_string_map_is_refused_without_showing_it(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="not a JSON object of texts") as refused:
        read_string_map(text)

    assert refused.value.__cause__ is refused.value.__context__ is None


def test_a_summary_keeps_the_order_of_its_fields() -> None:
    condition = {"data": {"amount": {"$gte": 100}}}
    full = write_summary("des_1", "webhook", ["user.created", "user.updated"], condition=condition, disabled=False)
    bare = write_summary("des_2", "rabbitmq", ["*"], condition=None, disabled=True)

    assert full == (
        '{"id":"des_1","type":"webhook","topics":["user.created","user.updated"],'
        '"filter":{"data":{"amount":{"$gte":100}}},"disabled":false}'
    )
    assert bare == '{"id":"des_2","type":"rabbitmq","topics":["*"],"disabled":true}'


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "2026-01-02T03:04:05.678901Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC), "2026-01-02T03:04:05.6Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05Z"),
        (datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_written_in_utc(instant: datetime, text: str) -> None:
    assert format_time(instant) == text


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.678901234Z", datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)),
        ("2026-01-02T03:04:05.6+02:00", datetime(2026, 1, 2, 1, 4, 5, 600000, tzinfo=UTC)),
        ("2026-01-02T03:04:05-11:30", datetime(2026, 1, 2, 14, 34, 5, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_with_any_offset(text: str, instant: datetime) -> None:
    read = parse_time(text)

    assert (read, read.tzinfo) == (instant, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03:04:05",
        "2026-01-02t03:04:05z",
        "2026-13-02T03:04:05Z",
        "2026-02-30T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05.1234567890Z",
        "2026-01-02T03:04:05Z\n",
        "٢٠٢٦-01-02T03:04:05Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an RFC 3339 timestamp"):
        parse_time(text)


@settings(deadline=None)
@given(_INSTANTS)
def test_an_instant_survives_every_form_it_is_kept_in(instant: datetime) -> None:
    assert parse_time(format_time(instant)) == instant
    assert from_microseconds(to_microseconds(instant)) == instant
    assert from_milliseconds(to_milliseconds(instant)) == cut_to_milliseconds(instant)
    assert timedelta(0) <= instant - cut_to_milliseconds(instant) < timedelta(milliseconds=1)


def test_instants_before_1970_are_rounded_down() -> None:
    assert to_milliseconds(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ('{"a":"b"}', {"a": "b"}),
        ('{"a":"b","n":1,"o":{"k":["ü"]},"no":null}', {"a": "b", "n": "1", "o": '{"k": ["ü"]}', "no": "null"}),
        ("null", {}),
        ("[1]", {}),
        ("5", {}),
        ("{oops", {}),
        ("", {}),
        ("[" * 100_000, {}),
    ],
)
def test_of_a_map_that_holds_no_texts_as_much_as_can_be_is_shown(stored: str, shown: dict[str, str]) -> None:
    assert salvage_string_map(stored) == shown
