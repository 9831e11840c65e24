"""Tenants: create, replace, list and delete."""

from outpost.domain.delivery import DropReason
from outpost.domain.errors import NotFound
from outpost.domain.identifiers import TenantId
from outpost.domain.tenant import StringMap, TenantOverview
from outpost.management.audit import audit
from outpost.management.naming import check_id, is_good_id
from outpost.management.waiting import WaitingTasks, drop_waiting
from outpost.ports.clock import Clock
from outpost.ports.tenant_store import TenantPage, TenantQuery, TenantStore


class Tenants:
    """What can be done with tenants. Every method raises StoreUnavailable when the store cannot be used."""

    def __init__(self, *, store: TenantStore, waiting: WaitingTasks, clock: Clock) -> None:
        self._store = store
        self._waiting = waiting
        self._clock = clock

    async def put(self, tenant_id: TenantId, metadata: StringMap) -> tuple[TenantOverview, bool]:
        """Create a tenant or replace the metadata of an existing one; the second value says whether it is new.

        Raises:
            ValidationFailed: A new tenant may not have this id.
        """
        if not is_good_id(tenant_id) and await self._store.tenant(tenant_id) is None:
            check_id("tenant_id", tenant_id)
        tenant, is_new = await self._store.put_tenant(tenant_id, metadata, now=self._clock())
        audit("tenant created" if is_new else "tenant updated", tenant_id=tenant_id)
        overview = None if is_new else await self._store.tenant(tenant_id)
        return overview or TenantOverview(tenant=tenant, destinations_count=0, topics=()), is_new

    async def find(self, tenant_id: TenantId) -> TenantOverview | None:
        return await self._store.tenant(tenant_id)

    async def list(self, query: TenantQuery) -> TenantPage:
        return await self._store.tenants(query)

    async def delete(self, tenant_id: TenantId) -> None:
        """Delete a tenant with its destinations and drop what waits for them.

        Raises:
            NotFound: There is no such tenant.
        """
        destination_ids = await self._store.delete_tenant(tenant_id, now=self._clock())
        if destination_ids is None:
            raise NotFound("tenant")
        await drop_waiting(self._waiting, tenant_id, destination_ids, DropReason.TENANT_DELETED)
        audit("tenant deleted", tenant_id=tenant_id)
