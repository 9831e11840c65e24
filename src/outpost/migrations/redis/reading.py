"""Records as they lie in the server."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from outpost.clients.redis import Commands
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.scripts import script

_BATCH = 50
"""Records in one call, so that it keeps others waiting for less than a millisecond."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """What is stored under a key.

    Attributes:
        type: `none` if nothing is.
        size: Bytes that it takes in the server, about.
        ttl: Milliseconds; -1 if it does not expire.
        fields: Of a hash that is not large.
        large: A hash that is not read at once.
    """

    type: str
    ttl: int = -1
    length: int = 0
    size: int = 0
    fields: Mapping[bytes, bytes] = {}
    large: bool = False

    @property
    def exists(self) -> bool:
        return self.type != "none"

    @property
    def digest(self) -> str:
        """Tells whether a record is still the same, whatever the order of its fields."""
        told = hashlib.sha256(f"{self.type}{self.length}".encode())
        if self.type != "hash" or self.large:
            told.update(str(self.size).encode())
        for name, value in sorted(self.fields.items()):
            told.update(b"%d:%d:" % (len(name), len(value)) + name + value)
        return told.hexdigest()[:32]


def read(redis: Commands, key: bytes) -> asyncio.Future[Any]:
    """Ask for a record; `stored` makes sense of the reply."""
    return redis.run(script("read"), [key])


def stored(reply: list[Any]) -> Stored:
    (record,) = reply
    return _stored(record)


async def read_many(context: Context, keys: Sequence[bytes]) -> list[Stored]:
    """Return what lies under keys, in their order.

    Raises:
        RedisError: Something could not be read.
    """
    size = 1 if context.across else _BATCH
    batches = [keys[start : start + size] for start in range(0, len(keys), size)]
    replies = await asyncio.gather(*(context.redis.run(script("read"), batch) for batch in batches))
    return [_stored(record) for reply in replies for record in reply]


async def exist_many(context: Context, keys: Sequence[bytes]) -> list[bool]:
    """Say of keys whether they are there.

    Raises:
        RedisError: It could not be asked.
    """
    size = 1 if context.across else _BATCH
    batches = [keys[start : start + size] for start in range(0, len(keys), size)]
    found = await asyncio.gather(*(_exist(context, batch) for batch in batches))
    return [there for batch in found for there in batch]


async def _exist(context: Context, keys: Sequence[bytes]) -> Sequence[bool]:
    there = await context.redis.command("EXISTS", *keys)
    if there in (0, len(keys)):
        return [there > 0] * len(keys)
    return [bool(each) for each in await asyncio.gather(*(context.redis.send("EXISTS", key) for key in keys))]


async def listed_many(context: Context, asked: Sequence[tuple[bytes, bytes]]) -> list[bool]:
    """Say of summaries and ids of destinations whether the one names the other.

    Raises:
        RedisError: It could not be asked.
    """
    size = 1 if context.across else _BATCH
    batches = [zip(*asked[start : start + size], strict=True) for start in range(0, len(asked), size)]
    replies = await asyncio.gather(*(context.redis.run(script("listed"), *batch) for batch in batches))
    return [found == 1 for reply in replies for found in reply]


def _stored(record: list[Any]) -> Stored:
    items = iter(record)
    kind, ttl, length, size = next(items), next(items), next(items), next(items)
    fields = dict(zip(items, items, strict=True))
    return Stored(kind.decode(), ttl, length, size, fields, large=kind == b"hash" and len(fields) != length)
