"""Copies a hash that is too large for one command, piece by piece, under a name of its own until it is whole.

    tenant:acme:destinations  --HSCAN, HSET-->  outpost:migrate:copy:7:tenant:{acme}:destinations  --RENAME-->  new key

The copy lies in the slot of the new key, so the last step is atomic there, and gives way to a record that exists. Its
name holds the fence of the run, so that a run that was suspended in between never meets the half of a newer one.
"""

import asyncio
from collections.abc import AsyncGenerator

from outpost.clients.redis import RedisReplyError
from outpost.migrations.failpoints import failpoint
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.scripts import MAX_BYTES, MAX_FIELDS, script
from outpost.migrations.run import Run

_PIECE = 200
_ARGUMENTS = 2_000
_KEPT_MS = 3_600_000
"""How long a copy outlives the run that was killed in the middle of it."""


class TooLarge(Exception):
    """A single field is larger than any release could write."""


async def copy_large(context: Context, run: Run, old: bytes, new: bytes) -> bool:
    """Copy a hash; say whether the new key was free, the old one did not change meanwhile, and it was done.

    Raises:
        TooLarge: It must be left alone.
    """
    redis, copy, fence = context.redis, context.keys.copy(new, run.fence), run.fence
    length = await redis.command("HLEN", old)
    if length <= MAX_FIELDS:
        await _check_fields(context, old)
    await redis.command("UNLINK", copy)
    async for flat in _pieces(context, run, old):
        run.check()
        await redis.run(script("piece"), [copy, *context.fence_keys], [fence, _KEPT_MS, *flat])
        failpoint("redis.piece")
    ttl = await redis.command("PTTL", old)
    if not await _same(context, run, old, copy, length):
        await redis.command("UNLINK", copy)
        return False
    failpoint("redis.whole")
    run.check()
    return bool(await redis.run(script("whole"), [copy, new, *context.fence_keys], [fence, ttl]))


async def _same(context: Context, run: Run, old: bytes, copy: bytes, length: int) -> bool:
    """Say whether the copy is whole and the old record is still what was copied."""
    async for flat in _pieces(context, run, old):
        if await context.redis.command("HMGET", copy, *flat[::2]) != flat[1::2]:
            return False
    before, after = await asyncio.gather(context.redis.send("HLEN", old), context.redis.send("HLEN", copy))
    return before == after == length


async def _pieces(context: Context, run: Run, key: bytes) -> AsyncGenerator[list[bytes]]:
    """Return the fields and values of a hash, some at a time."""
    cursor = b"0"
    while True:
        cursor, flat = await context.redis.command("HSCAN", key, cursor, "COUNT", _PIECE)
        for start in range(0, len(flat), _ARGUMENTS):  # the server may return more than it was asked for
            yield flat[start : start + _ARGUMENTS]
        if cursor == b"0":
            return
        await run.ready()


async def _check_fields(context: Context, key: bytes) -> None:
    try:
        names = await context.redis.command("HKEYS", key)
        sizes = await asyncio.gather(*(context.redis.send("HSTRLEN", key, name) for name in names))
    except RedisReplyError:
        raise TooLarge from None
    if any(size > MAX_BYTES for size in sizes):
        raise TooLarge
