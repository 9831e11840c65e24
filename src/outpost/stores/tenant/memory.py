"""Tenants and destinations in this process's memory, for tests and trials."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from outpost.codec import cut_to_milliseconds
from outpost.domain.errors import DestinationExists, DestinationLimitReached, NotFound
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.domain.tenant import StringMap, Tenant, TenantOverview
from outpost.ports.paging import Position
from outpost.ports.tenant_store import DestinationRecord, TenantPage, TenantQuery
from outpost.stores.memory_paging import cut_page
from outpost.stores.tenant.overview import overview
from outpost.stores.tenant.record import in_milliseconds, listing_order


class MemoryTenantRecords:
    """`TenantRecords` over two dictionaries. No method suspends, so each is atomic."""

    def __init__(self) -> None:
        self._tenants: dict[TenantId, Tenant] = {}
        self._records: dict[TenantId, tuple[DestinationRecord, ...]] = {}

    async def put_tenant(self, tenant_id: TenantId, metadata: StringMap, *, now: datetime) -> tuple[Tenant, bool]:
        stored = self._tenants.get(tenant_id)
        now = cut_to_milliseconds(now)
        created_at = now if stored is None else stored.created_at
        tenant = Tenant(id=tenant_id, metadata=dict(metadata), created_at=created_at, updated_at=now)
        self._tenants[tenant_id] = tenant
        return tenant, stored is None

    async def tenant(self, tenant_id: TenantId) -> TenantOverview | None:
        tenant = self._tenants.get(tenant_id)
        return None if tenant is None else self._overview(tenant)

    async def delete_tenant(self, tenant_id: TenantId, *, now: datetime) -> Sequence[DestinationId] | None:
        if self._tenants.pop(tenant_id, None) is None:
            return None
        return [record.id for record in self._records.pop(tenant_id, ())]

    async def tenants(self, query: TenantQuery) -> TenantPage:
        selected = [tenant for tenant in self._tenants.values() if query.ids is None or tenant.id in query.ids]
        page = cut_page(
            map(self._overview, selected), query.page, lambda row: Position(row.tenant.created_at, row.tenant.id)
        )
        return TenantPage(page=page, count=len(selected))

    async def add_record(self, record: DestinationRecord, *, limit: int) -> None:
        if record.tenant_id not in self._tenants:
            raise NotFound("tenant")
        present = self._records.get(record.tenant_id, ())
        if any(other.id == record.id for other in present):
            raise DestinationExists
        if len(present) >= limit:
            raise DestinationLimitReached
        self._store(record.tenant_id, [*present, in_milliseconds(record)])

    async def records(self, tenant_id: TenantId) -> tuple[DestinationRecord, ...]:
        return self._records.get(tenant_id, ())

    async def change_record(
        self,
        tenant_id: TenantId,
        destination_id: DestinationId,
        change: Callable[[DestinationRecord], DestinationRecord],
    ) -> DestinationRecord | None:
        present = self._records.get(tenant_id, ())
        stored = next((record for record in present if record.id == destination_id), None)
        if stored is None:
            return None
        changed = in_milliseconds(change(stored))
        changed = msgspec.structs.replace(changed, id=stored.id, tenant_id=stored.tenant_id)
        self._store(tenant_id, [changed if record is stored else record for record in present])
        return changed

    async def delete_record(self, tenant_id: TenantId, destination_id: DestinationId, *, now: datetime) -> bool:
        present = self._records.get(tenant_id, ())
        kept = [record for record in present if record.id != destination_id]
        if len(kept) == len(present):
            return False
        self._store(tenant_id, kept)
        return True

    async def sealed_sample(self, most: int) -> Sequence[bytes]:
        sealed = [record.credentials for records in self._records.values() for record in records]
        return random.sample(sealed, min(most, len(sealed)))

    def _overview(self, tenant: Tenant) -> TenantOverview:
        return overview(tenant, [record.topics for record in self._records.get(tenant.id, ())])

    def _store(self, tenant_id: TenantId, records: Sequence[DestinationRecord]) -> None:
        self._records[tenant_id] = tuple(sorted(records, key=listing_order))
