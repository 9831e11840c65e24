"""What is stored of a planned retry, byte for byte, and what is read."""

import json

import msgspec
import pytest

from outpost.conformance.retry_scheduler import KEY, a_plan
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.ports.retry_scheduler import RetryKey
from outpost.schedulers.redis_body import LONGEST_BODY, BrokenBody, identity, read_body, write_body
from tests.support.builders import START, an_event
from tests.support.planned_retries import planned_by

OF_THE_ORIGINAL = b'{"EventID":"evt_1","TenantID":"acme","DestinationID":"des_1","Telemetry":null}'


def test_a_plan_begins_as_the_original_writes_it() -> None:
    assert write_body(a_plan(failed_attempt=None)) == OF_THE_ORIGINAL
    assert write_body(a_plan(failed_attempt=3)) == OF_THE_ORIGINAL[:-1] + b',"Attempt":3}'


def test_ids_are_escaped_as_the_original_escapes_them() -> None:
    key = RetryKey(TenantId("a&b"), EventId('<"\u2028\x08ü>'), DestinationId("/\\"))

    assert (
        write_body(a_plan(key, failed_attempt=None))
        == (
            '{"EventID":"\\u003c\\"\\u2028\\bü\\u003e","TenantID":"a\\u0026b","DestinationID":"/\\\\","Telemetry":null}'
        ).encode()
    )


def test_the_event_is_copied_as_it_is_in_messages() -> None:
    body = write_body(a_plan(event=an_event()))

    assert (
        body
        == OF_THE_ORIGINAL[:-1]
        + (
            ',"Attempt":1,"Event":{"id":"evt_1","tenant_id":"acme","destination_id":"","matched_destination_ids":["des_1"],'
            '"topic":"user.created","eligible_for_retry":true,"time":"2026-01-02T03:04:05.678901Z",'
            '"metadata":{"source":"api"},"data":{"b":1.0, "a":"é"}}}'
        ).encode()
    )


def test_an_event_is_left_out_where_the_body_would_be_too_long() -> None:
    room = LONGEST_BODY - len(write_body(a_plan(event=an_event(data=b'{"":""}'))))
    fits = a_plan(event=an_event(data=b'{"":"%s"}' % (b"x" * room)))
    too_long = a_plan(event=an_event(data=b'{"":"%s"}' % (b"x" * (room + 1))))

    assert len(write_body(fits)) == LONGEST_BODY
    assert read_body(write_body(fits), due_at=START) == fits
    assert read_body(write_body(too_long), due_at=START) == msgspec.structs.replace(too_long, event=None)


@pytest.mark.parametrize(
    "telemetry", ["null", '{"TraceID":"4bf92f3577b34da6a3ce929d0e0e4736","SpanID":"00f067aa0ba902b7"}']
)
def test_a_plan_of_the_original_has_no_number_and_no_event(telemetry: str) -> None:
    body = OF_THE_ORIGINAL.replace(b"null", telemetry.encode())

    assert read_body(body, due_at=START) == a_plan(failed_attempt=None)


@pytest.mark.parametrize("release", ["v0.5.1", "v0.12.0", "v1.1.0"])
def test_what_older_releases_planned_is_read_without_a_number(release: str) -> None:
    for body in planned_by(release).values():
        plan = read_body(body, due_at=START)

        assert plan.failed_attempt is None
        stored = json.loads(body)
        assert plan.key == RetryKey(stored["TenantID"], stored["EventID"], stored["DestinationID"])
        assert 0 <= body.find(identity(plan.key)) < 80


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"EventID":"evt_1","TenantID":"acme"}',
        b'{"EventID":1,"TenantID":"acme","DestinationID":"des_1"}',
        b"\xff" + OF_THE_ORIGINAL,
        OF_THE_ORIGINAL[:-1] + b',"Event":{"data":"secret"}}',
    ],
)
def test_what_is_no_plan_is_refused_without_showing_it(body: bytes) -> None:
    with pytest.raises(BrokenBody) as caught:
        read_body(body, due_at=START)

    assert "secret" not in str(caught.value)


def test_a_key_is_found_in_its_body_only() -> None:
    assert identity(KEY) in write_body(a_plan(event=an_event()))
    assert identity(RetryKey(KEY.tenant_id, EventId("evt_11"), KEY.destination_id)) not in write_body(a_plan())
