"""An event: what happened; accepted once, never changed."""

from datetime import datetime

import msgspec

from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.domain.tenant import StringMap


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at a tenant.

    Attributes:
        time: When it happened, as the publisher says; aware UTC, microseconds.
        destination_id: The only destination it was published for; empty if any may want it. Stores do not keep it.
        data: The JSON object as it was sent, byte for byte, in UTF-8.
        matched_destination_ids: The destinations that wanted it when it was accepted, in creation order.
    """

    id: EventId
    tenant_id: TenantId
    topic: str
    time: datetime
    eligible_for_retry: bool
    metadata: StringMap
    data: bytes
    destination_id: DestinationId = DestinationId("")
    matched_destination_ids: tuple[DestinationId, ...] = ()
