"""The pure transforms, and what they call done."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.families import Kind
from outpost.migrations.redis.m002_timestamps import milliseconds, needs_conversion

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HASH_TAGS, TIMESTAMPS, ENTITY = MIGRATIONS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"2025-05-06T12:00:00.12+07:00", 1746507600120),
        (b"2025-05-06T12:00:01.5+07:00", 1746507601500),
        (b"1970-01-01T00:00:00Z", 0),
        (b"1969-12-31T23:59:59.9999Z", -1),
        (b"2024-02-29T00:00:00-23:59", 1709251140000),
        (b"0001-01-01T00:00:00+07:00", -62135622000000),
        (b"2026-01-02T03:04:05.678901234Z", 1767323045678),
    ],
)
def test_a_time_becomes_milliseconds_rounded_down(text: bytes, value: int) -> None:
    assert milliseconds(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"yesterday", b"2025-05-06", b"2025-05-06 12:00:00Z", b"2025-05-06T12:00:00", b"2025-13-06T12:00:00Z",
        b"2025-02-29T12:00:00Z", b"2025-05-06T24:00:00Z", b"2025-05-06T12:00:60Z", b"2025-05-06T12:00:00.Z",
        b"2025-05-06T12:00:00+24:00", b"2025-05-06T12:00:00+7:00", b"2025-05-06T12:00:00z", b" 2025-05-06T12:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 the message is for nobody
        milliseconds(text)


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)))  # noqa: DTZ001 made aware below
def test_every_instant_is_reckoned_as_the_calendar_has_it(instant: datetime) -> None:
    text = instant.isoformat(timespec="microseconds").encode() + b"Z"

    assert milliseconds(text) == (instant.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


@pytest.mark.parametrize("text", [b"", b"1746507600120", b"-5", b"+7", b"9223372036854775807"])
def test_a_number_of_64_bits_or_nothing_is_left(text: bytes) -> None:
    assert not needs_conversion(text)


def test_transforming_twice_is_transforming_once() -> None:
    record = {b"id": b"acme", b"created_at": b"2025-05-06T12:00:00.12+07:00"}
    once = ENTITY.transform(TIMESTAMPS.transform(record, Kind.TENANT), Kind.TENANT)

    assert ENTITY.transform(TIMESTAMPS.transform(once, Kind.TENANT), Kind.TENANT) == once
    assert all(migration.is_done(once, Kind.TENANT) for migration in MIGRATIONS)
    assert not TIMESTAMPS.is_done(record, Kind.TENANT)
    assert not ENTITY.is_done(record, Kind.TENANT)


def test_a_summary_is_left_as_it_is() -> None:
    record = {b"created_at": b'{"id":"created_at"}'}

    assert ENTITY.transform(TIMESTAMPS.transform(record, Kind.SUMMARY), Kind.SUMMARY) == record


def test_deployments_with_an_id_need_no_hash_tags() -> None:
    assert HASH_TAGS.inapplicable("dp_001:")
    assert not HASH_TAGS.inapplicable("")
