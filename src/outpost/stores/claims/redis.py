"""Claims in Redis, a single server or a cluster, as the original program keeps them.

    <prefix><key>    string: `processing` while it is held, `processed` when it is done; both expire

Each key is changed by a command of its own, since a cluster has them in different places. The commands of one call
travel together.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from outpost.clients.redis import Redis, Script
from outpost.ports.claims import ClaimKey, ClaimState
from outpost.stores.redis_errors import redis_errors

_HELD, _DONE = b"processing", b"processed"
_MILLISECOND = timedelta(milliseconds=1)

_RELEASE = Script("""
-- keys: one; arguments: the value of a key that is held
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


class RedisClaims:
    """`Claims` over an open client.

    Args:
        prefix: The deployment id followed by a colon, or empty.
    """

    def __init__(self, redis: Redis, *, prefix: str = "") -> None:
        self._redis = redis
        self._prefix = prefix

    async def claim_many(self, keys: Sequence[ClaimKey], *, hold: timedelta) -> Sequence[ClaimState]:
        names = [self._name(key) for key in keys]
        milliseconds = hold // _MILLISECOND
        with redis_errors():
            replies = await asyncio.gather(
                *[self._redis.send("SET", name, _HELD, "NX", "PX", milliseconds) for name in names]
            )
            # SET with both NX and GET would tell at once, but only from Redis 7.0 on. Few claims are lost.
            lost = [number for number, reply in enumerate(replies) if reply is None]
            values = await asyncio.gather(*[self._redis.send("GET", names[number]) for number in lost])
        states = [ClaimState.WON] * len(keys)
        for number, value in zip(lost, values, strict=True):
            # A key that has gone in between is free again, yet was held when it was claimed.
            states[number] = ClaimState.DONE if value == _DONE else ClaimState.HELD
        return states

    async def finish_many(self, keys: Sequence[ClaimKey], *, remember: timedelta) -> None:
        milliseconds = remember // _MILLISECOND
        with redis_errors():
            await asyncio.gather(*[self._redis.send("SET", self._name(key), _DONE, "PX", milliseconds) for key in keys])

    async def release_many(self, keys: Sequence[ClaimKey]) -> None:
        with redis_errors():
            await asyncio.gather(*[self._redis.run(_RELEASE, [self._name(key)], [_HELD]) for key in keys])

    def _name(self, key: ClaimKey) -> bytes:
        return f"{self._prefix}{key}".encode()
