"""The lock in Redis: the key of the original tool, with an owner beside it.

    <prefix>.outpost:migration_lock          string: 40 hex characters, expires after an hour
    <prefix>.outpost:migration_lock:owner    hash: the same token, who it is, last heartbeat, progress
    <prefix>outpost:migration_fence          counter: never expires, never deleted
    <prefix>outpost:migrate:steering         string: what is asked of the holder of a token

Each command and script uses one key, so that the four may lie on different nodes of a cluster. Four rules:

1. Only the lock says who holds it. An owner whose token is not in the lock is a leftover; a lock without its owner was
   taken by the original tool, and ends when it expires.
2. A lock is taken for 90 s at first and for an hour once its owner has introduced itself: a process that dies in
   between does not look like the original tool for an hour.
3. The owner hash refuses an owner with a lower fence, so one that was suspended in between overwrites nobody.
4. Every hash of the tool remembers the fence of its last writer, so a counter that was deleted or evicted does not fall
   back behind them.
"""

import asyncio
from typing import Any

import msgspec

from outpost.clients.redis import Redis, Script
from outpost.migrations.lease import Timings
from outpost.migrations.owner import Owner
from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.errors import redis_errors
from outpost.migrations.redis.keys import ToolKeys
from outpost.migrations.redis.replica import naming_primary
from outpost.migrations.report import Holder, Progress
from outpost.migrations.steering import Steering, SteeringChange

_RENEW = Script("""
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[1], ARGV[2])
""")
_TAKE_OVER = Script("""
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
""")
_DELETE = Script("""
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1])
""")
_RAISE = Script("""
if tonumber(redis.call('get', KEYS[1]) or 0) >= tonumber(ARGV[1]) then return 0 end
redis.call('set', KEYS[1], ARGV[1])
return 1
""")
_INTRODUCE = Script("""
if tonumber(redis.call('hget', KEYS[1], 'fence') or 0) > tonumber(ARGV[2]) then return 0 end
redis.call('del', KEYS[1])
redis.call('hset', KEYS[1], 'value', ARGV[1], 'fence', ARGV[2], 'owner', ARGV[3], 'heartbeat', redis.call('time')[1])
redis.call('pexpire', KEYS[1], ARGV[4])
return 1
""")
# A server whose memory is full refuses a script's first write unless that needs no memory, and none after it. So the
# order of the two lets a heartbeat through that only replaces what is there.
_BEAT = Script("""
if redis.call('hget', KEYS[1], 'value') ~= ARGV[1] then return 0 end
redis.call('pexpire', KEYS[1], ARGV[3])
return redis.call('hset', KEYS[1], 'heartbeat', redis.call('time')[1], 'progress', ARGV[2])
""")
_NO_BEAT_AHEAD = Script("""
local now = redis.call('time')[1]
if redis.call('hget', KEYS[1], 'value') ~= ARGV[1] then return 0 end
if tonumber(redis.call('hget', KEYS[1], 'heartbeat')) <= tonumber(now) then return 0 end
redis.call('hset', KEYS[1], 'heartbeat', now)
return 1
""")
_STEER = Script("""
local text = redis.call('get', KEYS[1])
local asked = text and cjson.decode(text)
if not asked or asked.token ~= ARGV[1] then
  local fence = tonumber(ARGV[3])
  if asked and (asked.fence or 0) > fence then return false end
  asked = {token = ARGV[1], fence = fence, steering = {}}
end
for name, value in pairs(cjson.decode(ARGV[2])) do asked.steering[name] = value end
text = cjson.encode(asked)
redis.call('set', KEYS[1], text, 'PX', ARGV[4])
return text
""")
_FORGET = Script(
    "if redis.call('hget', KEYS[1], 'value') == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
)


class _Asked(msgspec.Struct, frozen=True):
    """What someone asks of the holder with this token; beside it lies the holder's fence."""

    token: str
    steering: Steering


class RedisLease:
    """A `LeaseStore`. Times are the server's."""

    store = "redis"

    def __init__(self, redis: Redis, *, prefix: str, timings: Timings) -> None:
        """Args:
        redis: A connection of its own, so that heartbeats do not wait behind the work.
        prefix: The deployment id followed by a colon, or empty.
        """
        keys = ToolKeys(prefix)
        self._redis = redis
        self._lock, self._owner = keys.lock, keys.lock_owner
        self._fence, self._steering = keys.fence, keys.steering
        self._fenced = [self._owner, *(keys.state(each.name) for each in MIGRATIONS)]
        self._fenced += [keys.store, keys.checkpoint, keys.quarantine]
        self._expiry = int(timings.expiry * 1000)
        self._first_expiry = int(timings.stale * 1000)
        self._timings = timings

    async def take(self, token: str) -> bool:
        async with naming_primary(self._redis):
            if await self._redis.command("SET", self._lock, token, "NX", "PX", self._first_expiry):
                return True
            holder = await self._holding()
            if holder is None:
                return False  # freed between two commands: the caller asks again
            held_by, found = holder
            if held_by == token:
                return True  # taken before, and the answer was lost
            if found.alive:
                await self._redis.run(_NO_BEAT_AHEAD, [self._owner], [held_by])
            if found.foreign or found.alive:
                return False
            return bool(await self._redis.run(_TAKE_OVER, [self._lock], [held_by, token, self._first_expiry]))

    async def fence(self) -> int:
        with redis_errors():
            futures = [self._redis.send("HGET", key, "fence") for key in self._fenced]
            counter = self._redis.send("GET", self._fence)
            return max(int(each or 0) for each in await asyncio.gather(counter, *futures))

    async def raise_fence(self, fence: int) -> None:
        async with naming_primary(self._redis):
            await self._redis.run(_RAISE, [self._fence], [fence])

    async def introduce(self, owner: Owner, fence: int) -> bool:
        text = msgspec.json.encode(msgspec.structs.replace(owner, token=""))
        with redis_errors():
            if not await self._redis.run(_RENEW, [self._lock], [owner.token, self._expiry]):
                return False
            return bool(await self._redis.run(_INTRODUCE, [self._owner], [owner.token, fence, text, self._expiry]))

    async def beat(self, token: str, progress: Progress | None) -> Steering | None:
        text = msgspec.json.encode(progress) if progress else b""
        with redis_errors():
            if not await self._redis.run(_RENEW, [self._lock], [token, self._expiry]):
                return None
            _, asked = await asyncio.gather(
                self._redis.run(_BEAT, [self._owner], [token, text, self._expiry]),
                self._redis.send("GET", self._steering),
            )
            steering = _asked_of(token, asked)
            if steering != Steering():  # it holds for as long as the lock does
                await self._redis.command("PEXPIRE", self._steering, self._expiry)
        return steering

    async def release(self, token: str) -> None:
        with redis_errors():
            await asyncio.gather(
                self._redis.run(_DELETE, [self._lock], [token]),
                self._redis.run(_FORGET, [self._owner], [token]),
            )

    async def holder(self) -> Holder | None:
        with redis_errors():
            found = await self._holding()
        return found[1] if found else None

    async def revoke(self) -> Holder | None:
        holder = await self.holder()
        if holder is None:
            return None
        async with naming_primary(self._redis):
            # The fence first: a holder that is alive after all is stopped before another can begin.
            await self.raise_fence(await self.fence() + 1)
            await self._redis.command("DEL", self._lock)
            await self._redis.command("DEL", self._owner)
        return holder

    async def steer(self, change: SteeringChange) -> Steering | None:
        async with naming_primary(self._redis):
            found = await self._holding()
            if found is None or found[1].foreign:
                return None
            token, holder = found
            arguments = [token, msgspec.json.encode(change), holder.fence, self._expiry]
            text = await self._redis.run(_STEER, [self._steering], arguments)
        return _asked_of(token, text) if text else None  # word for a newer holder lies there: this one has gone

    async def _holding(self) -> tuple[str, Holder] | None:
        """Return the token in the lock and what is known of its holder."""
        replies = [
            self._redis.send("GET", self._lock),
            self._redis.send("PTTL", self._lock),
            self._redis.send("HGETALL", self._owner),
            self._redis.send("TIME", key=self._owner),
            self._redis.send("GET", self._steering),
        ]
        token, expires_in, flat, time, asked = await asyncio.gather(*replies)
        if token is None:
            return None
        fields: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
        held_by = token.decode(errors="replace")
        holder = self._described(token, expires_in, fields, int(time[0]))
        return held_by, msgspec.structs.replace(holder, steering=_asked_of(held_by, asked))

    def _described(self, token: bytes, expires_in: int, fields: dict[bytes, bytes], now: int) -> Holder:
        expires: dict[str, Any] = {"expires_in_seconds": expires_in / 1000 if expires_in >= 0 else None}
        if fields.get(b"value") != token:
            return Holder(store=self.store, foreign=True, **expires)
        owner = msgspec.json.decode(fields[b"owner"], type=Owner)
        age = max(now - float(fields[b"heartbeat"]), 0.0)
        progress = fields.get(b"progress")
        return Holder(
            store=self.store,
            host=owner.host,
            pid=owner.pid,
            user=owner.user,
            version=owner.version,
            run=owner.run,
            fence=int(fields[b"fence"]),
            started_at=owner.started_at,
            heartbeat_age_seconds=age,
            alive=age <= self._timings.stale,
            progress=msgspec.json.decode(progress, type=Progress) if progress else None,
            **expires,
        )


def _asked_of(token: str, text: bytes | None) -> Steering:
    """Return what is asked of the holder of a token; word for an earlier one is nobody's."""
    asked = msgspec.json.decode(text, type=_Asked) if text else None
    return asked.steering if asked and asked.token == token else Steering()
