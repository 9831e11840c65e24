"""What the queues carry, as the original program writes and reads it: one JSON object for each message.

    delivery task   {"event":{...},"destination_id":"des_1","attempt":1,"manual":false}
    log entry       {"event":{...},"attempt":{...},"destination":{...}}

Pipeline specification, section 2. Unknown fields are passed over; an absent field is empty, and so is a list, map or
object that is null. `data` of an event travels as the bytes it was sent in. The destination of a log entry is there for
alerts; what is secret in it is left out. The event of a planned retry has the same form.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from outpost.codec import format_time, parse_time
from outpost.domain.attempt import Attempt
from outpost.domain.delivery import DeliveryTask
from outpost.domain.destination import Destination
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.log_store import LoggedAttempt

_NULL = b"null"
_ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)
"""What the original program takes for an absent time."""

_encode = msgspec.json.Encoder().encode


class BrokenMessage(Exception):
    """A body is no message of its kind. Says where, and nothing of its content."""


class _Event(msgspec.Struct, gc=False):
    id: str
    tenant_id: str
    destination_id: str | None = None
    matched_destination_ids: tuple[str, ...] | None = None
    topic: str = ""
    eligible_for_retry: bool = False
    time: str = ""
    metadata: dict[str, str] | None = None
    data: msgspec.Raw = msgspec.Raw(_NULL)


class _Attempt(msgspec.Struct, gc=False):
    id: str
    tenant_id: str
    event_id: str
    destination_id: str
    time: str
    destination_type: str = ""
    attempt_number: int = 0
    manual: bool = False
    status: str = ""
    code: str = ""
    response_data: msgspec.Raw = msgspec.Raw(_NULL)


class _Task(msgspec.Struct, gc=False):
    event: _Event
    destination_id: str
    attempt: int = 0
    manual: bool = False


class _Entry(msgspec.Struct, gc=False):
    event: _Event
    attempt: _Attempt


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_task = msgspec.json.Decoder(_Task).decode
_decode_entry = msgspec.json.Decoder(_Entry).decode


def write_event(event: Event) -> bytes:
    """Return an event as it stands in messages."""
    return (
        b'{"id":%s,"tenant_id":%s,"destination_id":%s,"matched_destination_ids":%s,"topic":%s,"eligible_for_retry":%s,'
        b'"time":"%s","metadata":%s,"data":%s}'
    ) % (
        _encode(event.id),
        _encode(event.tenant_id),
        _encode(event.destination_id) if event.destination_id else b'""',
        _encode(event.matched_destination_ids),
        _encode(event.topic),
        b"true" if event.eligible_for_retry else b"false",
        format_time(event.time).encode(),
        _encode(event.metadata) if event.metadata else b"{}",
        event.data,
    )


def read_event(body: bytes) -> Event:
    """Raises BrokenMessage."""
    try:
        return _event(_decode_event(body))
    except (ValueError, RecursionError) as error:
        raise BrokenMessage(str(error)) from None


def write_task(event: bytes, destination_id: DestinationId, *, attempt_number: int = 1, manual: bool = False) -> bytes:
    """Return the message of a delivery task.

    Args:
        event: What `write_event` made, once for all tasks of an event.
    """
    return b'{"event":%s,"destination_id":%s,"attempt":%d,"manual":%s}' % (
        event,
        _encode(destination_id),
        attempt_number,
        b"true" if manual else b"false",
    )


def read_task(body: bytes) -> DeliveryTask:
    """Raises BrokenMessage."""
    try:
        sent = _decode_task(body)
        return DeliveryTask(
            event=_event(sent.event),
            destination_id=DestinationId(sent.destination_id),
            attempt_number=max(sent.attempt, 1),
            manual=sent.manual,
        )
    except (ValueError, RecursionError) as error:
        raise BrokenMessage(str(error)) from None


def write_entry(entry: LoggedAttempt, destination: Destination | None) -> bytes:
    """Return the message of a log entry."""
    attempt = entry.attempt
    fields = {
        "id": attempt.id,
        "tenant_id": attempt.tenant_id,
        "event_id": attempt.event_id,
        "destination_id": attempt.destination_id,
        "destination_type": attempt.destination_type,
        "attempt_number": attempt.attempt_number,
        "manual": attempt.manual,
        "status": attempt.status,
        "time": format_time(attempt.time),
        "code": attempt.code,
        "response_data": None if attempt.response_data is None else msgspec.Raw(attempt.response_data),
    }
    shown = b"" if destination is None else b',"destination":%s' % _encode(_shown(destination))
    return b'{"event":%s,"attempt":%s%s}' % (write_event(entry.event), _encode(fields), shown)


def read_entry(body: bytes) -> LoggedAttempt:
    """Raises BrokenMessage."""
    try:
        sent = _decode_entry(body)
        attempt = sent.attempt
        answer = bytes(attempt.response_data)
        return LoggedAttempt(
            attempt=Attempt(
                id=AttemptId(attempt.id),
                tenant_id=TenantId(attempt.tenant_id),
                event_id=EventId(attempt.event_id),
                destination_id=DestinationId(attempt.destination_id),
                destination_type=attempt.destination_type,
                attempt_number=attempt.attempt_number,
                manual=attempt.manual,
                status=attempt.status,
                time=_instant(attempt.time),
                code=attempt.code,
                response_data=None if answer == _NULL else answer,
            ),
            event=_event(sent.event),
        )
    except (ValueError, RecursionError) as error:
        raise BrokenMessage(str(error)) from None


def _event(sent: _Event) -> Event:
    if not sent.id:
        raise ValueError("an event must have an id")
    data = bytes(sent.data)
    return Event(
        id=EventId(sent.id),
        tenant_id=TenantId(sent.tenant_id),
        topic=sent.topic,
        time=_instant(sent.time) if sent.time else _ZERO_TIME,
        eligible_for_retry=sent.eligible_for_retry,
        metadata=sent.metadata or {},
        data=b"{}" if data == _NULL else data,
        destination_id=DestinationId(sent.destination_id or ""),
        matched_destination_ids=tuple(map(DestinationId, sent.matched_destination_ids or ())),
    )


def _instant(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        raise ValueError("a time is not as RFC 3339 has it") from None  # the error of `parse_time` shows what was sent


def _shown(destination: Destination) -> Mapping[str, Any]:
    disabled_at = destination.disabled_at
    shown: dict[str, Any] = {
        "id": destination.id,
        "tenant_id": destination.tenant_id,
        "type": destination.type,
        "topics": destination.topics,
        "config": destination.config,
        "credentials": {},
        "created_at": format_time(destination.created_at),
        "updated_at": format_time(destination.updated_at),
        "disabled_at": None if disabled_at is None else format_time(disabled_at),
    }
    if destination.filter:
        shown["filter"] = destination.filter
    if destination.metadata:
        shown["metadata"] = destination.metadata
    return shown
