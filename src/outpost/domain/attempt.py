"""An attempt: the record of one try to deliver, and its answer."""

from datetime import datetime
from enum import StrEnum

import msgspec

from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId


class AttemptStatus(StrEnum):
    """How a try ended."""

    SUCCESS = "success"
    FAILED = "failed"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one try.

    Attributes:
        status: An `AttemptStatus`; data of old releases may hold other words, which are shown as they are.
        time: When the try ended; aware UTC, microseconds.
        code: The HTTP status as text, or a word such as `timeout`; may be empty.
        response_data: A JSON object as UTF-8 bytes, or None when nothing was stored.
    """

    id: AttemptId
    tenant_id: TenantId
    event_id: EventId
    destination_id: DestinationId
    destination_type: str
    attempt_number: int
    manual: bool
    status: str
    time: datetime
    code: str
    response_data: bytes | None = None
