"""Tenants and destinations in Redis, a single server or a cluster, as the original program keeps them.

Both programs may serve one Redis side by side: each reads what the other wrote, byte for byte as it would have written
it itself. Keys are in redis_keys.py, contents in redis_record.py and redis_tenant.py.

Each change is one script on the tenant's slot, so it is atomic on a server and on a cluster. Only a tenant whose id
begins with `}` has no common slot (see redis_keys.py): a single server takes it like any other, a cluster refuses to
write it, and the caller is told so.

What is deleted stays for seven days as it was, marked: the original program tells it apart from what never was.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec

from outpost.clients.redis import Redis, RedisReplyError
from outpost.codec import cut_to_milliseconds, to_milliseconds, write_string_map
from outpost.domain.errors import DestinationExists, DestinationLimitReached, NotFound, ValidationFailed
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.domain.tenant import StringMap, Tenant, TenantOverview
from outpost.ports.tenant_store import DestinationRecord, TenantPage, TenantQuery
from outpost.stores.redis_errors import redis_errors
from outpost.stores.redis_replies import hash_replies
from outpost.stores.tenant.record import in_milliseconds
from outpost.stores.tenant.redis_keys import TenantKeys
from outpost.stores.tenant.redis_listing import TenantListing
from outpost.stores.tenant.redis_reading import RecordReader, decoded
from outpost.stores.tenant.redis_record import instant_of, write_record, write_summary_of
from outpost.stores.tenant.redis_sample import sealed_sample
from outpost.stores.tenant.redis_scripts import (
    ADD_DESTINATION,
    CHANGE_DESTINATION,
    DELETE_DESTINATION,
    DELETE_TENANT,
    PUT_TENANT,
    TOMBSTONE_SECONDS,
)
from outpost.stores.tenant.redis_tenant import read_tenants


class RedisTenantRecords:
    """`TenantRecords` over an open client.

    A record that cannot be read (see the log) counts as not there, and hides no other. Its id is taken until it is
    deleted, which works as for any other.

    Args:
        prefix: The deployment id followed by a colon, or empty.
        tenants_in_memory: Of how many tenants the destination records are kept decoded, the last used ones.
        rescan_after: How long a tenant that the original program created may be missing from lists; what that costs
            is in redis_listing.py.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        prefix: str = "",
        tenants_in_memory: int = 10_000,
        rescan_after: timedelta = timedelta(minutes=1),
    ) -> None:
        self._redis = redis
        self._keys = TenantKeys(prefix)
        self._reader = RecordReader(redis, self._keys, tenants_in_memory=tenants_in_memory)
        self._listing = TenantListing(redis, self._keys, rescan_after=rescan_after)

    async def put_tenant(self, tenant_id: TenantId, metadata: StringMap, *, now: datetime) -> tuple[Tenant, bool]:
        keys = [self._keys.tenant(tenant_id), self._keys.summary(tenant_id)]
        arguments = [tenant_id, to_milliseconds(now), write_string_map(metadata) if metadata else ""]
        updated_at = cut_to_milliseconds(now)
        with _errors():
            is_new, stored = await self._redis.run(PUT_TENANT, keys, [*arguments, 1])
            created_at = instant_of(stored)
            if created_at is None:  # a broken record, which is made whole
                await self._redis.run(PUT_TENANT, keys, [*arguments, 0])
                created_at = updated_at
            await self._listing.add(tenant_id, created_at)
        tenant = Tenant(id=tenant_id, metadata=dict(metadata), created_at=created_at, updated_at=updated_at)
        return tenant, bool(is_new)

    async def tenant(self, tenant_id: TenantId) -> TenantOverview | None:
        with _errors():
            (overview,) = await read_tenants(self._redis, self._keys, [tenant_id])
        return overview

    async def delete_tenant(self, tenant_id: TenantId, *, now: datetime) -> Sequence[DestinationId] | None:
        summary = self._keys.summary(tenant_id)
        with _errors():
            ids: list[bytes] = await self._redis.command("HKEYS", summary)
            while True:
                destinations = [self._keys.destination(tenant_id, id_) for id_ in ids]
                keys = [self._keys.tenant(tenant_id), summary, *destinations]
                outcome = await self._redis.run(DELETE_TENANT, keys, [to_milliseconds(now), TOMBSTONE_SECONDS, *ids])
                if outcome is None:
                    return None
                if isinstance(outcome, bytes):
                    break
                ids = outcome
            created_at = instant_of(outcome)
            if created_at is not None:
                await self._listing.remove(tenant_id, created_at)
        return [DestinationId(id_.decode(errors="replace")) for id_ in sorted(ids)]

    async def tenants(self, query: TenantQuery) -> TenantPage:
        with _errors():
            return await self._listing.tenants(query)

    async def add_record(self, record: DestinationRecord, *, limit: int) -> None:
        keys = [
            self._keys.tenant(record.tenant_id),
            self._keys.summary(record.tenant_id),
            self._keys.destination(record.tenant_id, record.id.encode()),
        ]
        arguments = [record.id, limit, write_summary_of(record), *write_record(record)]
        with _errors():
            outcome: bytes = await self._redis.run(ADD_DESTINATION, keys, arguments)
        match outcome:
            case b"no tenant":
                raise NotFound("tenant")
            case b"exists":
                raise DestinationExists
            case b"limit":
                raise DestinationLimitReached
            case _:
                return

    async def records(self, tenant_id: TenantId) -> tuple[DestinationRecord, ...]:
        with _errors():
            return await self._reader.records(tenant_id)

    async def change_record(
        self,
        tenant_id: TenantId,
        destination_id: DestinationId,
        change: Callable[[DestinationRecord], DestinationRecord],
    ) -> DestinationRecord | None:
        id_ = destination_id.encode()
        keys = [self._keys.summary(tenant_id), self._keys.destination(tenant_id, id_)]
        with _errors():
            (stored,) = await hash_replies([self._redis.send("HGETALL", keys[1])])
        while (record := decoded(tenant_id, id_, stored)) is not None and stored is not None:
            changed = in_milliseconds(change(record))
            changed = msgspec.structs.replace(changed, id=record.id, tenant_id=tenant_id)
            arguments = [id_, write_summary_of(changed), len(stored), *stored, *write_record(changed)]
            with _errors():
                outcome: int | list[bytes] = await self._redis.run(CHANGE_DESTINATION, keys, arguments)
            if isinstance(outcome, int):
                return changed
            stored = outcome
        return None

    async def delete_record(self, tenant_id: TenantId, destination_id: DestinationId, *, now: datetime) -> bool:
        id_ = destination_id.encode()
        keys = [self._keys.summary(tenant_id), self._keys.destination(tenant_id, id_)]
        with _errors():
            deleted = await self._redis.run(DELETE_DESTINATION, keys, [id_, to_milliseconds(now), TOMBSTONE_SECONDS])
        return bool(deleted)

    async def sealed_sample(self, most: int) -> Sequence[bytes]:
        with _errors():
            return await sealed_sample(self._redis, self._keys, most)


@contextmanager
def _errors() -> Generator[None]:
    with redis_errors():
        try:
            yield
        except RedisReplyError as error:
            if error.code != "CROSSSLOT":
                raise
            raise ValidationFailed("tenant_id cannot begin with } on a Redis Cluster") from error
