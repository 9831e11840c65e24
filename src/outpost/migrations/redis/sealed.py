"""Whether the configured secret is the one that the stored credentials were sealed with."""

import asyncio
from collections.abc import Callable

from outpost.migrations.redis import survey
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.families import Sorter, old_of

Opens = Callable[[bytes], bool]
"""Says whether a secret opens a sealed value."""

_LOOKED_AT = 200
_SHORTEST = 28
"""A sealed value holds at least a nonce and a tag; what is shorter was never sealed."""


async def opens_sample(context: Context, opens: Opens | None) -> bool | None:
    """Say whether the secret opens what is sealed: any value is enough, since one may be damaged.

    Returns:
        None if there is no secret, or nothing sealed among the first records.
    """
    if opens is None:
        return None
    portion = await survey.first(context, _LOOKED_AT, old=not context.keys.prefix)
    found = Sorter(context.names, old=not context.keys.prefix).sort(portion.keys[:_LOOKED_AT])
    keys = [*found.destinations, *(named.key for named in old_of(found) if named.destination)]
    types = await asyncio.gather(*(context.redis.send("TYPE", key) for key in keys))
    hashes = [key for key, kind in zip(keys, types, strict=True) if kind == b"hash"]
    values = await asyncio.gather(*(context.redis.send("HGET", key, "credentials") for key in hashes))
    sealed = [value for value in values if value is not None and len(value) >= _SHORTEST]
    return any(map(opens, sealed)) if sealed else None
