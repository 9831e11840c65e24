"""Remembering each tenant's destination records, in a process that is the only writer of its store."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from outpost.domain.identifiers import TenantId
from outpost.ports.tenant_store import DestinationRecord

Records = tuple[DestinationRecord, ...]
Load = Callable[[TenantId], Awaitable[Records]]


class RecordCache:
    """The records of the tenants used last.

    Two rules keep it true. A finished write makes it forget the tenant. A load is remembered only if no write finished
    while it was under way, because it may have read the rows as they were before.
    """

    def __init__(self, load: Load, *, limit: int) -> None:
        self._load = load
        self._limit = limit
        self._records: OrderedDict[TenantId, Records] = OrderedDict()
        self._loads: dict[TenantId, asyncio.Future[Records | None]] = {}

    def get(self, tenant_id: TenantId) -> Records | None:
        records = self._records.get(tenant_id)
        if records is not None:
            self._records.move_to_end(tenant_id)
        return records

    def forget(self, tenant_id: TenantId) -> None:
        self._records.pop(tenant_id, None)
        self._loads.pop(tenant_id, None)

    async def fill(self, tenant_id: TenantId) -> Records:
        """Load a tenant's records; callers that ask together share one load."""
        under_way = self._loads.get(tenant_id)
        if under_way is None:
            return await self._load_and_remember(tenant_id)
        records = await asyncio.shield(under_way)
        # None: the caller that loaded was cancelled or met an error. Its fate is not that of the others.
        return await self._load(tenant_id) if records is None else records

    async def _load_and_remember(self, tenant_id: TenantId) -> Records:
        promise: asyncio.Future[Records | None] = asyncio.get_running_loop().create_future()
        self._loads[tenant_id] = promise
        try:
            records = await self._load(tenant_id)
            promise.set_result(records)
            if self._loads.get(tenant_id) is promise:
                self._remember(tenant_id, records)
            return records
        finally:
            if not promise.done():
                promise.set_result(None)
            if self._loads.get(tenant_id) is promise:
                del self._loads[tenant_id]

    def _remember(self, tenant_id: TenantId, records: Records) -> None:
        self._records[tenant_id] = records
        if len(self._records) > self._limit:
            self._records.popitem(last=False)
