"""What queues carry is read and written as the original program does it."""

import json
import string
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.domain.attempt import Attempt
from outpost.domain.delivery import DeliveryTask
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.pipeline.messages import (
    BrokenMessage,
    read_entry,
    read_event,
    read_task,
    write_entry,
    write_event,
    write_task,
)
from outpost.ports.log_store import LoggedAttempt
from tests.support.builders import ONE, START, START_MILLISECOND, TENANT, TWO, a_destination, an_attempt, an_event
from tests.support.original_messages import ENTRY, EVENT, RETRY, TASK, entry_fields, task_fields

READ = Event(
    id=EventId("evt_1"),
    tenant_id=TENANT,
    topic="user.created",
    time=START,
    eligible_for_retry=True,
    metadata={"source": "a<b"},
    data=b'{"zebra":1.0,"alpha":1e3,"html":"\\u003cb\\u003e\\u0026"}',
    matched_destination_ids=(ONE, TWO),
)


# --- what the original writes


def test_a_task_of_the_original_is_read() -> None:
    assert read_task(TASK) == DeliveryTask(event=READ, destination_id=ONE, attempt_number=1, manual=False)


def test_a_retry_of_the_original_has_no_matched_destinations_and_no_metadata() -> None:
    task = read_task(RETRY)

    assert (task.attempt_number, task.event.matched_destination_ids, task.event.metadata) == (3, (), {})
    assert (task.event.topic, task.event.data, task.event.time) == ("", b"{}", START.replace(microsecond=0))


def test_an_entry_of_the_original_is_read_without_what_is_secret() -> None:
    entry = read_entry(ENTRY)

    assert entry.event == READ
    assert entry.attempt == an_attempt(
        status="failed",
        code="500",
        time=START.replace(second=6, microsecond=500_000),
        response_data=b'{"body":"\\u003cok\\u003e","status":500}',
    )
    assert "whsec_1" not in repr(entry)


def test_no_answer_is_null() -> None:
    without = json.loads(ENTRY)
    without["attempt"]["response_data"] = None

    assert read_entry(json.dumps(without).encode()).attempt.response_data is None


def test_key_order_and_the_text_of_numbers_stay_as_they_were_sent() -> None:
    """Acceptance scenario 8."""
    data = b'{"z":1.0,"a":12345678901234567890.10,"m":{"y":1e3,"b":-0}}'

    event = read_task(TASK.replace(json.dumps(json.loads(EVENT)["data"]).encode(), data)).event
    event = read_event(write_event(msgspec.structs.replace(event, data=data)))

    assert event.data == data


# --- what may differ


@pytest.mark.parametrize("number", [0, -1])
def test_a_task_that_has_no_number_is_the_first(number: int) -> None:
    assert read_task(TASK.replace(b'"attempt":1', b'"attempt":%d' % number)).attempt_number == 1


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-01-02T03:04:05Z", START.replace(microsecond=0)),
        ("2026-01-02T03:04:05.6Z", START.replace(microsecond=600_000)),
        ("2026-01-02T03:04:05.678901Z", START),
        ("2026-01-02T03:04:05.678901999Z", START),
        ("2026-01-01T19:04:05.678901-08:00", START),
        ("2026-01-02T16:49:05.678901+13:45", START),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_have_up_to_nine_digits_and_any_offset(time: str, expected: datetime) -> None:
    assert read_event(EVENT.replace(b"2026-01-02T08:34:05.678901234+05:30", time.encode())).time == expected


def _changed(body: bytes, path: str, value: Any) -> bytes:
    """Return a message with a field set; `...` leaves it out."""
    whole = json.loads(body)
    *folders, name = path.split(".")
    place = whole
    for folder in folders:
        place = place[folder]
    place.pop(name, None)
    if value is not ...:
        place[name] = value
    return json.dumps(whole).encode()


@pytest.mark.parametrize("value", [..., None, []])
def test_absent_null_and_empty_lists_are_one(value: Any) -> None:
    task = read_task(_changed(TASK, "event.matched_destination_ids", value))

    assert task.event.matched_destination_ids == ()


@pytest.mark.parametrize("value", [..., None, {}])
@pytest.mark.parametrize("field", ["metadata", "data"])
def test_absent_null_and_empty_objects_are_one(field: str, value: Any) -> None:
    event = read_task(_changed(TASK, f"event.{field}", value)).event

    assert (event.metadata, event.data)[field == "data"] in ({}, b"{}")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("attempt", {"attempt_number": 1}),
        ("manual", {"manual": False}),
        ("telemetry", {}),
    ],
)
def test_a_field_that_is_not_there_is_empty(path: str, expected: dict[str, Any]) -> None:
    whole = read_task(_changed(TASK, "more", 1))

    assert read_task(_changed(TASK, path, ...)) == msgspec.structs.replace(whole, **expected)


def test_an_event_of_few_words_is_not_retried_and_has_no_topic() -> None:
    event = read_event(b'{"id":"evt_1","tenant_id":"acme"}')

    assert (event.topic, event.eligible_for_retry, event.time) == ("", False, datetime(1, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("path", ["more", "event.more", "event.telemetry", "telemetry"])
@pytest.mark.parametrize("value", [1, "x", [{}], {"a": {"b": None}}])
def test_unknown_fields_are_passed_over(path: str, value: Any) -> None:
    assert read_task(_changed(TASK, path, value)).event.id == "evt_1"


@pytest.mark.parametrize("value", [..., None, {}, {"id": 1, "topics": "*"}])
def test_whatever_an_entry_shows_of_its_destination_is_passed_over(value: Any) -> None:
    assert read_entry(_changed(ENTRY, "destination", value)).event.id == "evt_1"


# --- what we write


def test_our_event_is_written_in_the_order_of_the_original() -> None:
    written = write_event(msgspec.structs.replace(READ, metadata={}))

    assert written == (
        b'{"id":"evt_1","tenant_id":"acme","destination_id":"","matched_destination_ids":["des_1","des_2"],'
        b'"topic":"user.created","eligible_for_retry":true,"time":"2026-01-02T03:04:05.678901Z","metadata":{},'
        b'"data":%s}' % READ.data
    )


def test_the_destination_that_an_event_was_published_for_travels_with_it() -> None:
    written = write_event(msgspec.structs.replace(READ, destination_id=TWO))

    assert json.loads(written)["destination_id"] == "des_2"
    assert read_event(written).destination_id == TWO
    assert read_event(written.replace(b'"des_2","matched', b'null,"matched')).destination_id == ""


def test_the_original_reads_our_tasks() -> None:
    task = task_fields(write_task(write_event(an_event()), TWO, attempt_number=3, manual=True))

    assert (task["destination_id"], task["attempt"], task["manual"]) == ("des_2", 3, True)
    assert task["event"]["data"] == json.loads(an_event().data)
    assert task["event"]["matched_destination_ids"] == ["des_1"]


@pytest.mark.parametrize("disabled_at", [None, START_MILLISECOND])
@pytest.mark.parametrize("answer", [None, b'{"status":500,"body":"no"}'])
def test_the_original_reads_our_entries(answer: bytes | None, disabled_at: datetime | None) -> None:
    entry = LoggedAttempt(attempt=an_attempt(response_data=answer), event=an_event())

    written = entry_fields(write_entry(entry, a_destination(disabled_at=disabled_at)))

    assert written["attempt"]["response_data"] == (None if answer is None else json.loads(answer))
    assert written["destination"]["config"] == {"url": "https://example.com/hook?a=1&b=<2>"}
    assert written["destination"]["disabled_at"] == (disabled_at and "2026-01-02T03:04:05.678Z")


def test_an_entry_may_be_without_a_destination() -> None:
    written = write_entry(LoggedAttempt(attempt=an_attempt(), event=an_event()), None)

    assert entry_fields(written).keys() == {"event", "attempt"}


def test_what_is_secret_in_a_destination_is_not_written() -> None:
    """FIX-21."""
    entry = LoggedAttempt(attempt=an_attempt(), event=an_event())
    destination = a_destination(credentials={"secret": "whsec_1"}, delivery_metadata={"x-key": "hidden"})

    written = write_entry(entry, destination)

    assert b"whsec_1" not in written
    assert b"hidden" not in written
    assert entry_fields(written)["destination"]["credentials"] == {}


# --- both

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_id = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_instant = st.datetimes(timezones=st.just(UTC))
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_object = st.dictionaries(_text, _json, max_size=3).map(lambda value: json.dumps(value, ensure_ascii=False).encode())
_events = st.builds(
    Event,
    id=_id.map(EventId),
    tenant_id=_text.map(TenantId),
    topic=_text,
    time=_instant,
    eligible_for_retry=st.booleans(),
    metadata=st.dictionaries(_text, _text, max_size=3),
    data=_object,
    matched_destination_ids=st.lists(_text.map(DestinationId), max_size=3).map(tuple),
)
_attempts = st.builds(
    Attempt,
    id=_text.map(AttemptId),
    tenant_id=_text.map(TenantId),
    event_id=_text.map(EventId),
    destination_id=_text.map(DestinationId),
    destination_type=_text,
    attempt_number=st.integers(min_value=1, max_value=2**31 - 1),
    manual=st.booleans(),
    status=_text,
    time=_instant,
    code=_text,
    response_data=st.none() | _object,
)


@given(_events, _text.map(DestinationId), st.integers(min_value=1, max_value=2**31 - 1), st.booleans())
def test_a_task_is_read_as_it_was_written(event: Event, destination: DestinationId, number: int, manual: bool) -> None:
    body = write_task(write_event(event), destination, attempt_number=number, manual=manual)

    task_fields(body)
    assert read_task(body) == DeliveryTask(
        event=event, destination_id=destination, attempt_number=number, manual=manual
    )


@given(_events, _attempts)
def test_an_entry_is_read_as_it_was_written(event: Event, attempt: Attempt) -> None:
    entry = LoggedAttempt(attempt=attempt, event=event)

    body = write_entry(entry, a_destination(created_at=attempt.time))

    entry_fields(body)
    assert read_entry(body) == entry


# --- what is neither

_SECRET = "letmein"  # stands for whatever must not be shown


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"letmein",
        b"null",
        b"[]",
        b'"letmein"',
        b"{}",
        b'{"letmein":1}',
        b"\xff\xfe",
        TASK[:-1],
        TASK + b"letmein",
        b"[" * 10_000,
        b'{"event":' * 10_000,
        _changed(TASK, "event", _SECRET),
        _changed(TASK, "event", None),
        _changed(TASK, "event.id", ""),
        _changed(TASK, "event.id", None),
        _changed(TASK, "event.tenant_id", ...),
        _changed(TASK, "event.time", _SECRET),
        _changed(TASK, "event.time", "2026-13-02T03:04:05Z"),
        _changed(TASK, "event.metadata", {_SECRET: 1}),
        _changed(TASK, "event.metadata", [_SECRET]),
        _changed(TASK, "attempt", _SECRET),
        _changed(TASK, "manual", _SECRET),
        _changed(TASK, "destination_id", ...),
    ],
)
def test_what_is_no_task_is_refused_without_showing_it(body: bytes) -> None:
    with pytest.raises(BrokenMessage) as caught:
        read_task(body)

    assert str(caught.value)
    assert _SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        TASK,
        _changed(ENTRY, "attempt", ...),
        _changed(ENTRY, "event", ...),
        _changed(ENTRY, "attempt.time", ""),
        _changed(ENTRY, "attempt.time", _SECRET),
        _changed(ENTRY, "attempt.attempt_number", _SECRET),
    ],
)
def test_what_is_no_entry_is_refused_without_showing_it(body: bytes) -> None:
    with pytest.raises(BrokenMessage) as caught:
        read_entry(body)

    assert _SECRET not in str(caught.value)


@given(st.binary(max_size=60) | st.text(string.printable, max_size=60).map(str.encode))
def test_any_bytes_are_a_message_or_refused(body: bytes) -> None:
    for read in (read_task, read_entry, read_event):
        with pytest.raises(BrokenMessage):
            read(body)
