"""Tenants and their destinations.

Two faces of one thing: `TenantStore` is what the rest of Outpost uses, with secrets in clear; `TenantRecords` is what
a driver keeps, with secrets sealed. `stores/tenant/sealed.py` joins them once, above every driver.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from outpost.domain.destination import Destination, JsonObject
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.domain.tenant import StringMap, Tenant, TenantOverview
from outpost.ports.paging import Page, PageRequest


class TenantQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which tenants, ordered by (created_at, id). `ids` None means all, an empty list none."""

    page: PageRequest
    ids: Sequence[str] | None = None


class TenantPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of tenants; `count` is the number of all tenants that the query selects, whatever the page."""

    page: Page[TenantOverview]
    count: int


class DestinationsByTenant(Protocol):
    """The part of the tenant store that the pipeline needs."""

    async def destinations(self, tenant_id: TenantId) -> Sequence[Destination]:
        """Return a tenant's destinations in order of (created_at, id); empty for an unknown tenant.

        This is on the hot path: a driver answers it from memory where it can know that nothing changed.
        """
        ...


class TenantStore(DestinationsByTenant, Protocol):
    """Tenants and destinations as the rest of Outpost sees them.

    Promises: a write is durable and seen by every later read when it returns; each method is atomic. Deleted things
    are not found. Instants come back in milliseconds.

    Every method raises StoreUnavailable when the store cannot be used. Those that return destinations raise
    CannotUnseal for one whose secrets do not open while the key is doubted: it opens less than half of what was stored
    before. Where it opens more, such a secret is damaged, and spoils its own destination only: it says `secrets_lost`.
    A change that leaves it so leaves what is stored of its secrets as it is.
    """

    async def put_tenant(self, tenant_id: TenantId, metadata: StringMap, *, now: datetime) -> tuple[Tenant, bool]:
        """Create a tenant, or replace the metadata of an existing one; the second value says whether it is new."""
        ...

    async def tenant(self, tenant_id: TenantId) -> TenantOverview | None: ...

    async def delete_tenant(self, tenant_id: TenantId, *, now: datetime) -> Sequence[DestinationId] | None:
        """Delete a tenant and its destinations; return their ids, or None if there was no such tenant."""
        ...

    async def tenants(self, query: TenantQuery) -> TenantPage: ...

    async def add_destination(self, destination: Destination, *, limit: int) -> None:
        """Store a new destination.

        Raises:
            NotFound: The tenant does not exist.
            DestinationExists: The tenant has a destination of this id.
            DestinationLimitReached: The tenant has `limit` destinations or more.
        """
        ...

    async def destination(self, tenant_id: TenantId, destination_id: DestinationId) -> Destination | None: ...

    async def change_destination(
        self, tenant_id: TenantId, destination_id: DestinationId, change: Callable[[Destination], Destination]
    ) -> Destination | None:
        """Replace a destination by `change(destination)` in one atomic step; None if it does not exist.

        `change` is pure and may be called more than once; what it raises is raised here, and nothing is stored.
        """
        ...

    async def delete_destination(self, tenant_id: TenantId, destination_id: DestinationId, *, now: datetime) -> bool:
        """Delete a destination; False if it did not exist."""
        ...


class DestinationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A destination as a driver keeps it: `Destination` with its secrets sealed into bytes.

    Attributes:
        delivery_metadata: None when there is none.
    """

    id: DestinationId
    tenant_id: TenantId
    type: str
    topics: tuple[str, ...]
    filter: JsonObject | None = None
    config: StringMap
    credentials: bytes
    delivery_metadata: bytes | None
    metadata: StringMap
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = None


class TenantRecords(Protocol):
    """What a driver implements: `TenantStore` over `DestinationRecord`, with the same promises.

    `records` returns the *same* tuple object while nothing changed, if the driver can know that, so that the layer
    above opens each secret once.
    """

    async def put_tenant(self, tenant_id: TenantId, metadata: StringMap, *, now: datetime) -> tuple[Tenant, bool]: ...

    async def tenant(self, tenant_id: TenantId) -> TenantOverview | None: ...

    async def delete_tenant(self, tenant_id: TenantId, *, now: datetime) -> Sequence[DestinationId] | None: ...

    async def tenants(self, query: TenantQuery) -> TenantPage: ...

    async def add_record(self, record: DestinationRecord, *, limit: int) -> None: ...

    async def records(self, tenant_id: TenantId) -> tuple[DestinationRecord, ...]: ...

    async def change_record(
        self,
        tenant_id: TenantId,
        destination_id: DestinationId,
        change: Callable[[DestinationRecord], DestinationRecord],
    ) -> DestinationRecord | None: ...

    async def delete_record(self, tenant_id: TenantId, destination_id: DestinationId, *, now: datetime) -> bool: ...

    async def sealed_sample(self, most: int) -> Sequence[bytes]:
        """Return the sealed credentials of up to `most` destinations, old and new ones alike.

        Quick however much is stored: it looks at a bounded part. Where few are stored among much else, or few are left
        of many, it may find none of them.
        """
        ...
