"""The dead letters of a schedule in Redis, as either program leaves them: bodies under ids that tell nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from outpost.clients.redis import Argument, Redis
from outpost.ports.dead_letters import Redriven
from outpost.schedulers.redis_body import BrokenBody, identity, read_body
from outpost.schedulers.redis_errors import scheduler_errors
from outpost.schedulers.redis_ids import entry_id, spare_id
from outpost.schedulers.redis_layout import queue_keys
from outpost.schedulers.redis_scripts import REVIVE

_AT_ONCE = 100
_NO_MATTER_WHEN = datetime.fromtimestamp(0, UTC)


class RedisDeadLetters:
    """`DeadLetters` of one schedule over an open client."""

    def __init__(
        self, redis: Redis, *, queue: str, prefix: str = "", on_cluster: bool = False, visibility: timedelta
    ) -> None:
        """See `RedisRetryScheduler`."""
        self._redis = redis
        self._keys = queue_keys(queue, prefix=prefix, on_cluster=on_cluster)
        self._visibility = visibility

    @property
    def place(self) -> str:
        return self._keys.dead_entries.decode()

    async def count(self) -> int:
        with scheduler_errors():
            return await self._redis.command("ZCARD", self._keys.dead_entries)

    async def oldest_at(self) -> datetime | None:
        with scheduler_errors():
            oldest = await self._redis.command("ZRANGE", self._keys.dead_entries, 0, 0, "WITHSCORES")
        return datetime.fromtimestamp(float(oldest[1]) / 1000, UTC) if oldest else None

    async def redrive(self, limit: int | None = None) -> Redriven:
        with scheduler_errors():
            count: int = await self._redis.command("ZCARD", self._keys.dead_entries)
            wanted = count if limit is None else min(count, limit)
            moved = superseded = left = 0
            while (seen := moved + superseded + left) < wanted:
                most = min(_AT_ONCE, wanted - seen)
                # Those that stay are the oldest from now on: begin behind them.
                ids = await self._redis.command("ZRANGE", self._keys.dead_entries, left, left + most - 1)
                if not ids:
                    break
                revived, kept = await self._revive(ids)
                moved += sum(revived)
                superseded += len(revived) - sum(revived)
                left += kept
        return Redriven(moved=moved, superseded=superseded, left=left)

    async def _revive(self, ids: Sequence[bytes]) -> tuple[Sequence[int], int]:
        """Return of each letter that was removed whether it is planned anew, and how many stay."""
        bodies = await self._redis.command("HMGET", self._keys.dead_content, *ids)
        letters: list[Argument] = []
        for id_, body in zip(ids, bodies, strict=True):
            try:
                key = read_body(body or b"", due_at=_NO_MATTER_WHEN).key
            except BrokenBody:
                continue
            letters += [id_, entry_id(key), spare_id(key), identity(key)]
        keys = self._keys
        places = [keys.entries, keys.content, keys.dead_entries, keys.dead_content, keys.queues]
        attributes = (keys.queue, self._visibility // timedelta(seconds=1))
        revived: list[int] = await self._redis.run(REVIVE, places, [*attributes, *letters]) if letters else []
        return revived, len(ids) - len(letters) // 4
