"""A tenant: the operator's customer, owner of destinations."""

from datetime import datetime

import msgspec

from outpost.domain.identifiers import TenantId

StringMap = dict[str, str]


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """One customer of the operator.

    Instants are aware UTC with millisecond precision, as every store keeps them.
    """

    id: TenantId
    metadata: StringMap
    created_at: datetime
    updated_at: datetime


class TenantOverview(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with what follows from its destinations.

    Attributes:
        topics: Sorted union of the destinations' topics, disabled ones included; `("*",)` as soon as one has `*`.
    """

    tenant: Tenant
    destinations_count: int
    topics: tuple[str, ...]
