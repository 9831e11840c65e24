"""Keys of records to look at: all of them, the first ones, or some chosen at random on every server."""

import asyncio
import random
from collections.abc import AsyncGenerator

import msgspec

from outpost.clients.redis import Node, Scan
from outpost.migrations.redis.context import Context

_PROBE = 20
_PAGE = 1_000
"""Keys, about, that are handed over together."""


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """Keys found on the servers, and how many there may be.

    Attributes:
        whole: These are all.
    """

    keys: list[bytes]
    population: int
    whole: bool


async def pages(context: Context, *, old: bool) -> AsyncGenerator[list[bytes]]:
    """Return every key of a record, a page at a time, server by server. Some may come twice."""
    for node in await context.redis.nodes():
        keys: list[bytes] = []
        async for page in Scan(node, match=_pattern(context, old=old)):
            keys += page.keys
            if keys and (len(keys) >= _PAGE or not page.cursor):
                yield keys
                keys = []


async def has_new(context: Context) -> bool:
    """Say whether there are records of the new form: certain for a small store; in a large one a few may be missed."""
    portion = await first(context, 0, old=False, looked_at=10_000)
    return bool(portion.keys)


async def first(context: Context, most: int, *, old: bool, looked_at: int = 1_000_000) -> Portion:
    """Return the first keys of every server. SCAN goes in the order of hashes, so they are as good as drawn.

    Args:
        most: How many are enough.
        looked_at: Among how many keys of a server to look at most.
    """
    keys: list[bytes] = []
    population, whole = 0.0, True
    for node in await context.redis.nodes():
        size: int
        size, (found, seen, is_all) = await asyncio.gather(
            node.command("DBSIZE"),
            _first(node, most, _pattern(context, old=old), looked_at=looked_at),
        )
        keys += found
        whole &= is_all
        population += len(found) if is_all else len(found) * max(size / max(seen, 1), 1.0)
    return Portion(keys=keys, population=round(population), whole=whole)


async def _first(node: Node, most: int, pattern: bytes, *, looked_at: int) -> tuple[list[bytes], int, bool]:
    """Return the first keys of a server, how many it looked at about, and whether these are all."""
    keys: list[bytes] = []
    seen = 0
    async for page in Scan(node, match=pattern):
        keys += page.keys
        seen += page.looked_at
        if page.cursor and (len(keys) > most or seen >= looked_at):
            return keys, seen, False
    return keys, seen, True


async def sample(context: Context, wanted: int, *, seed: int | None, old: bool) -> Portion:
    """Return keys chosen at random, from each server as many as its share of all keys."""
    nodes = await context.redis.nodes()
    sizes: list[int] = await asyncio.gather(*(node.send("DBSIZE") for node in nodes))
    if sum(sizes) <= max(2 * wanted, 2_000):
        return await first(context, sum(sizes) + 1, old=old)
    chooser = random.Random(seed)
    keys: list[bytes] = []
    population = 0
    for node, size in zip(nodes, sizes, strict=True):
        share = max(1, round(wanted * size / sum(sizes)))
        found, looked_at = await _some(node, share, chooser, _pattern(context, old=old))
        keys += found[:share] if len(found) > share else found
        population += round(size * min(len(found) / max(looked_at, 1), 1.0))
    return Portion(keys=keys, population=max(population, len(keys)), whole=False)


async def _some(node: Node, wanted: int, chooser: random.Random, pattern: bytes) -> tuple[list[bytes], int]:
    """Look at random places of a server until enough keys are found, or a tenth of that would not be found in ten times
    the effort; return them and about how many keys were looked at."""
    found: dict[bytes, None] = {}
    looked_at = 0
    for _ in range(40):
        places = [chooser.getrandbits(48) for _ in range(max(wanted // _PROBE, 1))]
        replies = await asyncio.gather(
            *(node.send("SCAN", place, "MATCH", pattern, "COUNT", _PROBE) for place in places)
        )
        looked_at += len(places) * _PROBE
        for _, keys in replies:
            found.update(dict.fromkeys(keys))
        if len(found) >= wanted:
            break
    drawn = list(found)
    chooser.shuffle(drawn)
    return drawn, looked_at


def _pattern(context: Context, *, old: bool) -> bytes:
    return context.names.prefix + (b"tenant:*" if old else b"tenant:{*")
