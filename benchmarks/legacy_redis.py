"""Redis data as release v0.5 of the reference left it, and the time it takes to write it."""

import asyncio
import base64
import json
import random
import string
import time
from collections.abc import Iterator

from outpost.clients.redis import RedisClient

_FLIGHT = 2_000
"""Commands on their way at once."""
_TOPICS = ("*", "user.created", "user.created,user.updated", "order.created")


async def fill(redis: RedisClient, *, tenants: int, destinations: int = 3) -> tuple[int, float]:
    """Write tenants with their destinations; return how many keys there are and how many seconds it took."""
    started = time.perf_counter()
    flight: list[asyncio.Future[object]] = []
    for command in _commands(random.Random(7), tenants, destinations):
        flight.append(redis.send(*command))
        if len(flight) == _FLIGHT:
            await asyncio.gather(*flight)
            flight.clear()
    await asyncio.gather(*flight)
    seconds = time.perf_counter() - started
    return int(await redis.command("DBSIZE")), seconds


def _commands(chance: random.Random, tenants: int, destinations: int) -> Iterator[tuple[str, ...]]:
    for _ in range(tenants):
        tenant = _id(chance, "t")
        if chance.random() < 0.01:
            yield "HSET", f"tenant:{tenant}", "deleted_at", _time(chance)
            yield "EXPIRE", f"tenant:{tenant}", "604800"
            continue
        yield "HSET", f"tenant:{tenant}", "id", tenant, "created_at", _time(chance)
        for _ in range(destinations):
            yield from _destination(chance, tenant, _id(chance, "des_"))


def _destination(chance: random.Random, tenant: str, destination: str) -> Iterator[tuple[str, ...]]:
    topics = chance.choice(_TOPICS)
    config = json.dumps({"url": f"https://example.test/{destination}"})
    fields = {"id": destination, "type": "webhook", "topics": topics, "config": config, "created_at": _time(chance)}
    fields["credentials"] = base64.b64encode(chance.randbytes(96)).decode()
    disabled = chance.random() < 0.05
    if disabled:
        fields["disabled_at"] = _time(chance)
    flat = [text for pair in fields.items() for text in pair]
    yield "HSET", f"tenant:{tenant}:destination:{destination}", *flat
    summary = {"id": destination, "type": "webhook", "topics": topics.split(","), "disabled": disabled}
    yield "HSET", f"tenant:{tenant}:destinations", destination, json.dumps(summary, separators=(",", ":"))


def _id(chance: random.Random, prefix: str) -> str:
    return prefix + "".join(chance.choices(string.ascii_lowercase + string.digits, k=18))


def _time(chance: random.Random) -> str:
    month, day, hour = chance.randint(1, 9), chance.randint(1, 28), chance.randint(0, 23)
    minute, second, nanoseconds = chance.randint(0, 59), chance.randint(0, 59), chance.randint(0, 999_999_999)
    return f"2025-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{nanoseconds:09d}+07:00"
