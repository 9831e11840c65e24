"""Listing tenants in Redis by (created_at, id), without a search module and without reading all of them.

    <prefix>outpost:tenants             sorted set, every score 0: `<created_at in ms, 15 digits>:<id>`
    <prefix>outpost:tenants:complete    there while the index is taken as complete; expires

An entry is only a hint: the tenant's own hash decides. So an entry whose tenant is gone, or was created anew, is passed
over and mended, by whoever meets it. What the hashes cannot tell is which entry is missing. The original program
writes tenants without an entry, and a process of ours may die between a tenant and its entry (they lie in different
slots of a cluster, so no script could write both). Therefore the index is completed by a scan over all keys, before the
first list and again when a list is asked for and the last scan is longer ago than `rescan_after`.

While both programs serve: what this one writes is listed at once, and what the other one deleted is listed no more.
What the other one created is listed after `rescan_after` at the latest; the count may be off for as long.

A page costs four round trips, in which it reads two hashes per tenant on it. A scan lets the server look at every key,
in slices of a thousand, and is the price of the first list after each `rescan_after`; nothing scans while nobody lists.
Neither holds more than a page in memory.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from outpost.clients.redis import Redis, Scan
from outpost.codec import to_milliseconds
from outpost.domain.identifiers import TenantId
from outpost.domain.tenant import Tenant, TenantOverview
from outpost.ports.paging import Page, PageRequest, Position
from outpost.ports.tenant_store import TenantPage, TenantQuery
from outpost.stores.memory_paging import cut_page
from outpost.stores.redis_replies import hash_replies
from outpost.stores.tenant.redis_keys import TenantKeys
from outpost.stores.tenant.redis_tenant import read_tenant, read_tenants

_CHUNK = 250
_DIGITS = 15  # enough for the year 9999


class _Entry(NamedTuple):
    """A tenant in the index."""

    created_at: int
    id: TenantId

    def member(self) -> bytes:
        return f"{self.created_at:0{_DIGITS}}:{self.id}".encode()


class TenantListing:
    """Pages of tenants, and the index behind them.

    Args:
        rescan_after: See above; zero scans for each list.
    """

    def __init__(self, redis: Redis, keys: TenantKeys, *, rescan_after: timedelta) -> None:
        self._redis = redis
        self._keys = keys
        self._rescan_after = rescan_after
        self._scanning = asyncio.Lock()

    async def add(self, tenant_id: TenantId, created_at: datetime) -> None:
        """Put a tenant into the index; safe to repeat."""
        await self._redis.command("ZADD", self._keys.index, 0, _entry(created_at, tenant_id).member())

    async def remove(self, tenant_id: TenantId, created_at: datetime) -> None:
        """Take a tenant out of the index, unless it was created again at another time."""
        await self._redis.command("ZREM", self._keys.index, _entry(created_at, tenant_id).member())

    async def tenants(self, query: TenantQuery) -> TenantPage:
        if query.ids is not None:
            return await self._selected([TenantId(id_) for id_ in dict.fromkeys(query.ids)], query.page)
        await self._complete()
        page = await self._page(query.page)
        count: int = await self._redis.command("ZCARD", self._keys.index)
        return TenantPage(page=page, count=count)

    async def _selected(self, ids: list[TenantId], request: PageRequest) -> TenantPage:
        """Return a page of named tenants; the index is not asked."""
        found: list[Position] = []
        for start in range(0, len(ids), _CHUNK):
            tenants = await self._read(ids[start : start + _CHUNK])
            found += [Position(tenant.created_at, tenant.id) for tenant in tenants if tenant is not None]
        page = cut_page(found, request, lambda position: position)
        overviews = await read_tenants(self._redis, self._keys, [TenantId(position.id) for position in page.items])
        items = [overview for overview in overviews if overview is not None]
        return TenantPage(page=Page(items=items, more=page.more), count=len(found))

    async def _page(self, request: PageRequest) -> Page[TenantOverview]:
        backwards = request.before is not None
        ascending = (request.direction == "asc") != backwards
        border = request.before or request.after
        start = edge = None if border is None else _entry(border.at, TenantId(border.id))
        items: list[TenantOverview] = []
        wanted = request.limit + 1
        while len(items) < wanted:
            entries = await self._entries_beyond(edge, ascending=ascending, count=wanted)
            overviews = await read_tenants(self._redis, self._keys, [entry.id for entry in entries])
            if await self._mend(entries, [None if found is None else found.tenant for found in overviews]):
                edge = start
                items.clear()
                continue
            items += [found for found in overviews if found is not None]
            if len(entries) < wanted:
                break
            edge = entries[-1]
        more = len(items) > request.limit
        del items[request.limit :]
        return Page(items=items[::-1] if backwards else items, more=more)

    async def _entries_beyond(self, edge: _Entry | None, *, ascending: bool, count: int) -> list[_Entry]:
        command, end = ("ZRANGEBYLEX", "+") if ascending else ("ZREVRANGEBYLEX", "-")
        start = ("-" if ascending else "+") if edge is None else b"(" + edge.member()
        members: list[bytes] = await self._redis.command(command, self._keys.index, start, end, "LIMIT", 0, count)
        return [_Entry(int(member[:_DIGITS]), TenantId(member[_DIGITS + 1 :].decode())) for member in members]

    async def _mend(self, entries: Sequence[_Entry], tenants: Sequence[Tenant | None]) -> bool:
        """Remove the entries that their tenants do not confirm, and add those that they do.

        Returns:
            Whether any was added: then it may belong to a page that was read before.
        """
        wrong: list[bytes] = []
        missing: list[bytes] = []
        for entry, tenant in zip(entries, tenants, strict=True):
            right = None if tenant is None else _entry(tenant.created_at, tenant.id)
            if entry != right:
                wrong.append(entry.member())
                if right is not None:
                    missing.append(right.member())
        if missing:
            await self._add_members(missing)
        if wrong:
            await self._redis.command("ZREM", self._keys.index, *wrong)
        return bool(missing)

    async def _add_members(self, members: Sequence[bytes]) -> None:
        await self._redis.command("ZADD", self._keys.index, *(part for member in members for part in (0, member)))

    # --- completing the index

    async def _complete(self) -> None:
        """Scan, unless that was done lately; who asks meanwhile waits for the same scan."""
        async with self._scanning:
            if await self._redis.command("EXISTS", self._keys.complete):
                return
            topology = self._redis.topology.digest
            await self._add_all()
            await self._remove_gone()
            milliseconds = self._rescan_after // timedelta(milliseconds=1)
            # Keys that moved from node to node meanwhile may have been missed: the next list scans again.
            if milliseconds > 0 and topology in ("", self._redis.topology.digest):
                await self._redis.command("SET", self._keys.complete, 1, "PX", milliseconds)

    async def _add_all(self) -> None:
        for node in await self._redis.nodes():
            async for page in Scan(node, match=self._keys.every_tenant):
                ids = [tenant_id for key in page.keys if (tenant_id := self._keys.tenant_of(key)) is not None]
                tenants = [tenant for tenant in await self._read(ids) if tenant is not None]
                if tenants:
                    await self._add_members([_entry(tenant.created_at, tenant.id).member() for tenant in tenants])

    async def _remove_gone(self) -> None:
        edge: _Entry | None = None
        while entries := await self._entries_beyond(edge, ascending=True, count=_CHUNK):
            await self._mend(entries, await self._read([entry.id for entry in entries]))
            edge = entries[-1]

    async def _read(self, ids: Sequence[TenantId]) -> list[Tenant | None]:
        """Return tenants without what follows from their destinations; None for each that is not there."""
        replies = await hash_replies([self._redis.send("HGETALL", self._keys.tenant(tenant_id)) for tenant_id in ids])
        return [read_tenant(tenant_id, stored) for tenant_id, stored in zip(ids, replies, strict=True)]


def _entry(created_at: datetime, tenant_id: TenantId) -> _Entry:
    return _Entry(to_milliseconds(created_at), tenant_id)
