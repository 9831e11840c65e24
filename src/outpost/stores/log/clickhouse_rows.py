"""Attempts and events as rows of JSON, which is how they are sent to ClickHouse."""

from datetime import datetime

import msgspec

from outpost.codec import cut_to_milliseconds, to_milliseconds, write_string_map
from outpost.ports.log_store import LoggedAttempt
from outpost.stores.clickhouse_values import Key

_ENCODER = msgspec.json.Encoder()
_MAX_ATTEMPT_NUMBER = 2**32 - 1
"""Of a larger one the column would keep the last 32 bits."""


class Unstorable(Exception):
    """No column can hold a value; says what is wrong with it and shows nothing of it."""


class _EventRow(msgspec.Struct):
    event_id: str
    tenant_id: str
    topic: str
    eligible_for_retry: bool
    event_time: datetime
    metadata: str
    data: str
    matched_destination_ids: tuple[str, ...]


class _AttemptRow(msgspec.Struct):
    attempt_id: str
    event_id: str
    tenant_id: str
    destination_id: str
    destination_type: str
    attempt_number: int
    manual: bool
    status: str
    attempt_time: datetime
    code: str
    response_data: str
    topic: str
    eligible_for_retry: bool
    event_time: datetime
    metadata: str
    data: str


class WrittenAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one entry.

    Attributes:
        brings_event: Whether the event is written too. It is with its first attempt, and with any that tells whom the
            event matched; retries that the reference makes do not.
    """

    key: Key
    attempt: msgspec.Raw
    event_key: Key
    event: msgspec.Raw
    brings_event: bool
    knows_matches: bool


def written(entry: LoggedAttempt) -> WrittenAttempt:
    """Return an entry as it is sent.

    Raises:
        Unstorable: The entry can never be stored.
    """
    attempt, event = entry.attempt, entry.event
    if not 0 <= attempt.attempt_number <= _MAX_ATTEMPT_NUMBER:
        raise Unstorable("the number of the attempt is too large, or below zero")
    attempt_time, event_time = cut_to_milliseconds(attempt.time), cut_to_milliseconds(event.time)
    try:
        metadata, data = write_string_map(event.metadata), event.data.decode()
        attempt_row = _ENCODER.encode(
            _AttemptRow(
                attempt_id=attempt.id,
                event_id=attempt.event_id,
                tenant_id=attempt.tenant_id,
                destination_id=attempt.destination_id,
                destination_type=attempt.destination_type,
                attempt_number=attempt.attempt_number,
                manual=attempt.manual,
                status=attempt.status,
                attempt_time=attempt_time,
                code=attempt.code,
                response_data="null" if attempt.response_data is None else attempt.response_data.decode(),
                topic=event.topic,
                eligible_for_retry=event.eligible_for_retry,
                event_time=event_time,
                metadata=metadata,
                data=data,
            )
        )
        event_row = _ENCODER.encode(
            _EventRow(
                event_id=event.id,
                tenant_id=event.tenant_id,
                topic=event.topic,
                eligible_for_retry=event.eligible_for_retry,
                event_time=event_time,
                metadata=metadata,
                data=data,
                matched_destination_ids=event.matched_destination_ids,
            )
        )
    except UnicodeError:  # its own message quotes the text
        raise Unstorable("a text is not UTF-8") from None
    return WrittenAttempt(
        key=(to_milliseconds(attempt.time), attempt.id),
        attempt=msgspec.Raw(attempt_row),
        event_key=(to_milliseconds(event.time), event.id),
        event=msgspec.Raw(event_row),
        brings_event=attempt.attempt_number <= 1 or bool(event.matched_destination_ids),
        knows_matches=bool(event.matched_destination_ids),
    )
