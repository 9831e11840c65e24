"""Reading a tenant's destinations from Redis, on the way of every event.

Any process of any host may have written, so what is stored is fetched each time. Three things make that cheap:

1. One flight: the names in the summary and the hashes of the destinations known from last time travel together. Only
   destinations that are new since then take another.
2. Whoever asks for a tenant in the same turn of the event loop gets the same flight. It leaves after this turn, so it
   brings nothing older than what any of them could have seen.
3. A hash is decoded again only if its bytes differ; if none does, the tuple of last time is returned.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

from outpost.clients.redis import Redis
from outpost.domain.identifiers import TenantId
from outpost.ports.tenant_store import DestinationRecord
from outpost.stores.redis_replies import Stored, hash_replies, stored_hashes
from outpost.stores.tenant.record import listing_order
from outpost.stores.tenant.redis_keys import TenantKeys
from outpost.stores.tenant.redis_record import BrokenRecord, read_record

_logger = logging.getLogger(__name__)

Records = tuple[DestinationRecord, ...]


class _Part(NamedTuple):
    """A destination as it was found; no record if it is deleted or cannot be read."""

    stored: Stored
    record: DestinationRecord | None


class _Known(NamedTuple):
    """A tenant's destinations as they were found last time, by id."""

    parts: dict[bytes, _Part]
    records: Records


class _Flight(NamedTuple):
    """The replies under way: to HKEYS of the summary, then to HGETALL of each destination in `ids`."""

    ids: Iterable[bytes]
    replies: asyncio.Future[list[Any]]


_NOTHING = _Known({}, ())


class RecordReader:
    """The destinations of tenants, in order of (created_at, id).

    A destination whose record cannot be read is logged when it is met first, and left out: the tenant's others go on.
    """

    def __init__(self, redis: Redis, keys: TenantKeys, *, tenants_in_memory: int) -> None:
        self._redis = redis
        self._keys = keys
        self._limit = tenants_in_memory
        self._known: OrderedDict[TenantId, _Known] = OrderedDict()
        self._leaving: dict[TenantId, _Flight] = {}

    async def records(self, tenant_id: TenantId) -> Records:
        """Return the same tuple as last time, unless something changed.

        Raises:
            RedisError: What is stored could not be fetched.
        """
        flight = self._leaving.get(tenant_id) or self._take_off(tenant_id)
        names, *hashes = await asyncio.shield(flight.replies)
        if isinstance(names, BaseException):
            raise names
        found = dict(zip(flight.ids, stored_hashes(hashes), strict=True))
        new = [name for name in names if name not in found]
        if new:
            found.update(zip(new, await self._fetch(tenant_id, new), strict=True))
        return self._remember(tenant_id, {name: found[name] for name in names})

    def _take_off(self, tenant_id: TenantId) -> _Flight:
        if not self._leaving:
            asyncio.get_running_loop().call_soon(self._leaving.clear)
        ids = list(self._known.get(tenant_id, _NOTHING).parts)
        commands = [
            self._redis.send("HKEYS", self._keys.summary(tenant_id)),
            *(self._redis.send("HGETALL", self._keys.destination(tenant_id, id_)) for id_ in ids),
        ]
        flight = _Flight(ids, asyncio.gather(*commands, return_exceptions=True))
        self._leaving[tenant_id] = flight
        return flight

    async def _fetch(self, tenant_id: TenantId, ids: list[bytes]) -> list[Stored]:
        return await hash_replies([self._redis.send("HGETALL", self._keys.destination(tenant_id, id_)) for id_ in ids])

    def _remember(self, tenant_id: TenantId, found: dict[bytes, Stored]) -> Records:
        known = self._known.get(tenant_id, _NOTHING)
        parts: dict[bytes, _Part] = {}
        changed = len(found) != len(known.parts)
        for id_, content in found.items():
            part = known.parts.get(id_)
            if part is None or part.stored != content:
                part = _Part(content, decoded(tenant_id, id_, content))
                changed = True
            parts[id_] = part
        if changed:
            records = sorted((part.record for part in parts.values() if part.record is not None), key=listing_order)
            known = _Known(parts, tuple(records))
            self._known[tenant_id] = known
            if not parts:
                del self._known[tenant_id]
            elif len(self._known) > self._limit:
                self._known.popitem(last=False)
        if tenant_id in self._known:
            self._known.move_to_end(tenant_id)
        return known.records


def decoded(tenant_id: TenantId, destination_id: bytes, content: Stored) -> DestinationRecord | None:
    """Return the destination that a hash holds; None if it is missing, deleted or, with a line in the log, broken."""
    try:
        return read_record(tenant_id, destination_id, content)
    except BrokenRecord as broken:
        name = destination_id.decode(errors="replace")
        _logger.error("destination %s of tenant %s cannot be read and counts as not there: %s", name, tenant_id, broken)
        return None
