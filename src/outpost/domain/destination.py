"""A destination: where a tenant wants its events sent, which ones, and how."""

from datetime import datetime
from typing import Any

import msgspec

from outpost.domain.identifiers import DestinationId, TenantId
from outpost.domain.tenant import StringMap

JsonObject = dict[str, Any]


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's target, with its secrets in clear.

    Instants are aware UTC with millisecond precision. `credentials` and `delivery_metadata` never appear in a `repr`.

    Attributes:
        topics: Names, patterns with `*`, or exactly `("*",)` for every topic.
        filter: Condition on the event's content; None matches everything.
        delivery_metadata: Sent with every event (as headers by a webhook).
        metadata: The operator's notes; never sent.
        disabled_at: None while enabled.
        secrets_lost: What is stored of `credentials` or `delivery_metadata` is damaged, so that one is empty and
            nothing can be sent.
    """

    id: DestinationId
    tenant_id: TenantId
    type: str
    topics: tuple[str, ...]
    filter: JsonObject | None = None
    config: StringMap
    credentials: StringMap
    delivery_metadata: StringMap
    metadata: StringMap
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = None
    secrets_lost: bool = False

    @property
    def enabled(self) -> bool:
        return self.disabled_at is None

    def __repr__(self) -> str:
        return f"Destination(id={self.id!r}, tenant_id={self.tenant_id!r}, type={self.type!r}, topics={self.topics!r})"

    __str__ = __repr__
