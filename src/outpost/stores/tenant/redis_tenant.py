"""Reading tenants from Redis, with what follows from their destinations.

    hash    id, entity, created_at, updated_at, and where there is one: metadata, deleted_at

Instants are written as in redis_record.py. A tenant that cannot be read is logged and counts as not there; putting it
again makes it whole.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from typing import Any, cast

from outpost.clients.redis import Redis
from outpost.domain.identifiers import TenantId
from outpost.domain.tenant import Tenant, TenantOverview
from outpost.stores.redis_replies import Stored, hash_replies
from outpost.stores.tenant.overview import overview
from outpost.stores.tenant.redis_keys import TenantKeys
from outpost.stores.tenant.redis_record import BrokenRecord, fields_of, read_instant, read_map, read_updated_at

_logger = logging.getLogger(__name__)


async def read_tenants(redis: Redis, keys: TenantKeys, ids: Sequence[TenantId]) -> list[TenantOverview | None]:
    """Return the tenants of these ids, in one flight; None for each that is not there."""
    names = [key for tenant_id in ids for key in (keys.tenant(tenant_id), keys.summary(tenant_id))]
    replies = await hash_replies([redis.send("HGETALL", name) for name in names])
    return [
        _overview(tenant_id, stored, summary)
        for tenant_id, stored, summary in zip(ids, replies[::2], replies[1::2], strict=True)
    ]


def read_tenant(tenant_id: TenantId, stored: Stored) -> Tenant | None:
    """Return the tenant that a hash holds; None if it is missing, deleted, another's or broken."""
    try:
        fields = fields_of(stored)
        if not fields or b"deleted_at" in fields:
            return None
        # A destination of tenant `a` with the id `b}:tenant` lies where a tenant `a}:destination:b` would.
        if fields.get(b"id") != tenant_id.encode():
            raise BrokenRecord("id is missing or another")
        created_at = read_instant(fields, b"created_at")
        return Tenant(
            id=tenant_id,
            metadata=read_map(fields, b"metadata"),
            created_at=created_at,
            updated_at=read_updated_at(fields, created_at),
        )
    except BrokenRecord as broken:
        _logger.error("tenant %s cannot be read and counts as not there: %s", tenant_id, broken)
        return None


def _overview(tenant_id: TenantId, stored: Stored, summary: Stored) -> TenantOverview | None:
    tenant = read_tenant(tenant_id, stored)
    if tenant is None:
        return None
    try:
        entries = fields_of(summary)
    except BrokenRecord as broken:
        _logger.error("the destinations of tenant %s cannot be counted: %s", tenant_id, broken)
        entries = {}
    return overview(tenant, [_topics(entry) for entry in entries.values()])


def _topics(entry: bytes) -> Iterable[str]:
    """Return the topics in an entry of the summary: a list, or from old releases the text `*`."""
    try:
        value: Any = json.loads(entry)
    except (ValueError, RecursionError):
        return ()
    topics = cast("dict[str, Any]", value).get("topics") if isinstance(value, dict) else None
    if isinstance(topics, str):
        return (topics,)
    if not isinstance(topics, list):
        return ()
    return [topic for topic in cast("list[Any]", topics) if isinstance(topic, str)]
