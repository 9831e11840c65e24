"""Accept events: check the topic, choose the destinations, store event and tasks, hand on what can go at once."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from outpost.domain.errors import OutpostError, ValidationFailed
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, MintId, TenantId
from outpost.domain.tenant import StringMap
from outpost.pipeline.lanes import Lanes
from outpost.pipeline.match import Matcher
from outpost.ports.clock import Clock
from outpost.ports.ledger import Acceptance, Ledger
from outpost.ports.tenant_store import TenantStore


class PublishCommand(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher asks for.

    Attributes:
        data: The JSON object as it was sent, in UTF-8.
        id: None lets Outpost choose.
        destination_id: Only this destination is considered; it must still match.
        time: None means now; aware UTC.
    """

    tenant_id: TenantId
    data: bytes
    topic: str = ""
    id: EventId | None = None
    destination_id: DestinationId | None = None
    eligible_for_retry: bool = True
    time: datetime | None = None
    metadata: StringMap = {}


class PublishResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher is told.

    Attributes:
        duplicate: The id was accepted before, within the de-duplication window; nothing is sent again.
        destination_ids: The destinations that match now, in creation order.
    """

    id: EventId
    duplicate: bool
    destination_ids: Sequence[DestinationId]
