"""Servers that are alive, in one hash of a Redis or a cluster, where `outpost migrate cleanup` looks.

<key>    hash: server -> "<unix seconds> <form>", by the clock of Redis
"""

from outpost.clients.redis import Redis, Script
from outpost.stores.redis_errors import redis_errors

_FORGOTTEN_AFTER_SECONDS = 3_600

_ANNOUNCE = Script("""
-- keys: the hash; arguments: server, form, seconds after which one that is silent is forgotten
local now = redis.call('TIME')[1]
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
local found = redis.call('HGETALL', KEYS[1])
for at = 1, #found, 2 do
  local seconds = tonumber(string.match(found[at + 1], '^%d+'))
  if not seconds or now - seconds > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], found[at]) end
end
return 1
""")


class RedisPresence:
    """A `PresenceStore` over an open client."""

    def __init__(self, redis: Redis, *, key: str) -> None:
        """Args:
        key: Of the hash, as the migration tool names it.
        """
        self._redis = redis
        self._key = key

    async def announce(self, server: str, form: int) -> None:
        with redis_errors():
            await self._redis.run(_ANNOUNCE, [self._key], [server, form, _FORGOTTEN_AFTER_SECONDS])

    async def withdraw(self, server: str) -> None:
        with redis_errors():
            await self._redis.command("HDEL", self._key, server)
