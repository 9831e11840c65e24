"""Copies a hash that is too large for one command, piece by piece, under a name of its own until it is whole.

    tenant:acme:destinations  --HSCAN, HSET-->  outpost:migrate:copy:tenant:{acme}:destinations  --RENAMENX-->  new key

The copy lies in the slot of the new key, so the last step is atomic there, and gives way to a record that exists.
"""

import asyncio

from outpost.clients.redis import RedisReplyError
from outpost.migrations.failpoints import failpoint
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.scripts import MAX_BYTES, MAX_FIELDS
from outpost.migrations.run import Run

_PIECE = 200


class TooLarge(Exception):
    """A single field is larger than any release could write."""


async def copy_large(context: Context, run: Run, old: bytes, new: bytes) -> bool:
    """Copy a hash; say whether the new key was free, the old one did not change meanwhile, and it was done.

    Raises:
        TooLarge: It must be left alone.
    """
    redis, copy = context.redis, context.keys.copy(new)
    length = await redis.command("HLEN", old)
    if length <= MAX_FIELDS:
        await _check_fields(context, old)
    await redis.command("UNLINK", copy)
    cursor = b"0"
    while True:
        cursor, flat = await redis.command("HSCAN", old, cursor, "COUNT", _PIECE)
        if flat:
            run.check()
            await redis.command("HSET", copy, *flat)
            failpoint("redis.piece")
        await run.ready()
        if cursor == b"0":
            break
    ttl, same = await asyncio.gather(redis.send("PTTL", old), redis.send("HLEN", old))
    if same != length or await redis.command("HLEN", copy) != length:
        await redis.command("UNLINK", copy)
        return False
    if ttl >= 0:
        await redis.command("PEXPIRE", copy, max(ttl, 1))
    run.check()
    failpoint("redis.whole")
    renamed = await redis.command("RENAMENX", copy, new)
    if not renamed:
        await redis.command("UNLINK", copy)
    return bool(renamed)


async def _check_fields(context: Context, key: bytes) -> None:
    try:
        names = await context.redis.command("HKEYS", key)
        sizes = await asyncio.gather(*(context.redis.send("HSTRLEN", key, name) for name in names))
    except RedisReplyError:
        raise TooLarge from None
    if any(size > MAX_BYTES for size in sizes):
        raise TooLarge
