"""Where the reference remembers which log retention it applied last: `<deployment>:outpost:log_retention_ttl`."""

from outpost.clients.redis import Redis
from outpost.stores.redis_errors import redis_errors


class RedisAppliedDays:
    """`AppliedDays` in one key of Redis, as decimal text."""

    def __init__(self, redis: Redis, *, prefix: str = "") -> None:
        """Make it; nothing is sent.

        Args:
            prefix: The deployment id followed by a colon, or empty.
        """
        self._redis = redis
        self._key = f"{prefix}outpost:log_retention_ttl"

    async def read(self) -> int | None:
        with redis_errors():
            text: bytes | None = await self._redis.command("GET", self._key)
        return int(text) if text is not None and text.isdigit() else None

    async def write(self, days: int) -> None:
        with redis_errors():
            await self._redis.command("SET", self._key, days)
