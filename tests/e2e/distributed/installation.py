"""Installations of real older releases, upgraded by `outpost migrate` and served by `outpost serve`."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.postgres_log import SNAPSHOTS, restoring
from tests.support.process import OutpostProcess
from tests.support.recorded_answers import quoted
from tests.support.redis_store import RedisStore, Value, snapshot
from tests.support.servers.redis import RedisServer
from tests.support.supervised import running_distributed

_CONFIGURED = {
    "AES_ENCRYPTION_SECRET": "encryptionsecretencryptionsecret",
    "TOPICS": "user.created,user.updated,order.created",
    "TOPICS_ALLOW_WILDCARDS": "true",
    "RETRY_POLL_BACKOFF_MS": "100",
}
_PLANNED = "rsmq:deliverymq-retry"


@dataclass(frozen=True)
class Installation:
    """One that was upgraded and is served."""

    release: str
    outpost: OutpostProcess
    redis: RedisServer

    async def get(self, path: str) -> Any:
        answer = await self.outpost.api("GET", path)
        assert answer.status == 200, (path, answer.body)
        return answer.json()

    async def every(self, path: str) -> Sequence[Any]:
        """Return the rows of all pages of a list."""
        rows: list[Any] = []
        following = ""
        while True:
            page = await self.get(f"{path}?limit=100{following}")
            rows += page["models"]
            if not page["pagination"]["next"]:
                return rows
            following = f"&next={page['pagination']['next']}"

    async def tenants(self) -> Sequence[str]:
        return [tenant["id"] for tenant in await self.every("/tenants")]

    async def webhooks(self, tenant: str) -> Sequence[Any]:
        """Return the destinations of a tenant that deliver to a URL."""
        found = await self.get(f"/tenants/{quoted(tenant)}/destinations?type=webhook")
        return [destination for destination in found if not destination["disabled_at"]]

    async def point(self, tenant: str, destination: str, url: str) -> None:
        """Let a destination deliver to another URL."""
        path = f"/tenants/{quoted(tenant)}/destinations/{quoted(destination)}"
        answer = await self.outpost.api("PATCH", path, {"config": {"url": url}})
        assert answer.status == 200, answer.body

    async def make_planned_retries(self) -> None:
        """Let every planned retry be due now, and wait until none is planned."""
        for id_ in self.redis.command("ZRANGE", _PLANNED, 0, -1):
            self.redis.command("ZADD", _PLANNED, "XX", int(time.time() * 1000), id_)
        async with asyncio.timeout(20):
            while self.redis.command("ZCARD", _PLANNED):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def upgraded(
    release: str, folder: Path, stores: Mapping[str, str], redis: RedisServer, postgres_url: str
) -> AsyncIterator[Installation]:
    """Restore what a release left, upgrade it and serve it.

    Its planned retries are put off by an hour, so that no attempt is added to those it had made.
    """
    data = dict(snapshot(release))
    key, in_an_hour = _PLANNED.encode(), (time.time() + 3600) * 1000
    data[key] = Value("zset", dict.fromkeys(data[key].content, in_an_hour))
    RedisStore(redis).write(data)
    await restoring(postgres_url, SNAPSHOTS / f"{release}.sql.gz")
    async with running_distributed(folder, stores, **_CONFIGURED) as outpost:
        yield Installation(release, outpost, redis)
