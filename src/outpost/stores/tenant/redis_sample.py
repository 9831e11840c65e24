"""Some of the sealed credentials that lie in Redis, without reading all keys."""

import asyncio
import random
from collections.abc import Sequence

from outpost.clients.redis import Node, Redis, RedisReplyError, Scan
from outpost.stores.redis_replies import hash_replies
from outpost.stores.tenant.redis_keys import TenantKeys
from outpost.stores.tenant.redis_record import BrokenRecord, fields_of

_LOOKED_AT = 200_000
"""Among how many keys of a server at most, so that a start takes no second longer where nearly all are claims."""


async def sealed_sample(redis: Redis, keys: TenantKeys, most: int) -> Sequence[bytes]:
    """Return the sealed credentials of up to `most` destinations.

    SCAN goes in the order of hashes, so the first ones of every server are as good as drawn. Where it is not permitted,
    none are found, and destinations can be created as before.

    Raises:
        RedisError: They could not be read.
    """
    nodes = await redis.nodes()
    try:
        found = await asyncio.gather(*(_first(node, keys.every_destination, most) for node in nodes))
    except RedisReplyError as error:
        if error.code != "NOPERM":
            raise
        return ()
    names = [name for names in found for name in names]
    drawn = random.sample(names, min(most, len(names)))
    replies = await hash_replies([redis.send("HGETALL", name) for name in drawn])
    return [sealed for stored in replies if (sealed := _credentials(stored)) is not None]


async def _first(node: Node, pattern: bytes, most: int) -> set[bytes]:
    names: set[bytes] = set()
    looked_at = 0
    async for page in Scan(node, match=pattern):
        names.update(page.keys)
        looked_at += page.looked_at
        if len(names) >= most or looked_at >= _LOOKED_AT:
            break
    return names


def _credentials(stored: list[bytes] | None) -> bytes | None:
    try:
        fields = fields_of(stored)
    except BrokenRecord:
        return None
    return None if b"deleted_at" in fields else fields.get(b"credentials")
