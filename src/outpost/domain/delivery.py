"""A delivery task, one event owed to one destination, and what came of sending it."""

from enum import StrEnum

import msgspec

from outpost.domain.attempt import AttemptStatus
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId


class DeliveryTask(msgspec.Struct, frozen=True, kw_only=True):
    """One event owed to one destination.

    Attributes:
        attempt_number: The number the next try will have, from 1. It travels with the task and is never guessed.
        manual: Asked for by a person (`POST /retry`), not by publishing or the retry schedule.
    """

    event: Event
    destination_id: DestinationId
    attempt_number: int = 1
    manual: bool = False


class DeliveryResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a destination answered. A delivery that fails is a result, not an exception.

    Attributes:
        code: The HTTP status as text, or a word of the closed vocabulary (`timeout`, `connection_refused`, ...).
        response_data: A JSON object as UTF-8 bytes, or None when there was no answer.
    """

    status: AttemptStatus
    code: str
    response_data: bytes | None = None


class DropReason(StrEnum):
    """Why a task ended without an attempt."""

    DESTINATION_DISABLED = "destination_disabled"
    DESTINATION_DELETED = "destination_deleted"
    TENANT_DELETED = "tenant_deleted"
    DELIVERED_BEFORE = "delivered_before"
