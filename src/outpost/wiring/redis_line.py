"""The line of Redis migrations that a configuration names."""

from functools import partial

from outpost.config.settings import Settings
from outpost.migrations.lease import Timings
from outpost.migrations.redis.admission import Admission
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.keys import ToolKeys, key_prefix
from outpost.migrations.redis.lease import RedisLease
from outpost.migrations.redis.line import RedisLine
from outpost.migrations.redis.sealed import Opens
from outpost.wiring.redis import redis_client


def redis_line(settings: Settings, timings: Timings) -> RedisLine:
    """Return the line; nothing is opened."""
    connect = partial(redis_client, settings.redis, name="outpost-migrate")
    redis = connect(admit=Admission().admit)
    beside = redis_client(settings.redis, name="outpost-migrate-lock")
    keys = ToolKeys(key_prefix(settings.general.deployment_id))

    async def close() -> None:
        await redis.aclose()
        await beside.aclose()

    kind = "cluster at " if settings.redis.cluster_enabled else ""
    database = f"/{settings.redis.database}" if settings.redis.database and not settings.redis.cluster_enabled else ""
    deployment = f", deployment {settings.general.deployment_id}" if settings.general.deployment_id else ""
    return RedisLine(
        Context(redis, keys, across=settings.redis.cluster_enabled, connect=connect),
        target=f"{kind}{settings.redis.host}:{settings.redis.port}{database}{deployment}",
        lease=RedisLease(beside, prefix=keys.prefix, timings=timings),
        close=close,
        opens=_opens(settings.general.aes_encryption_secret),
    )


def _opens(secret: str) -> Opens | None:
    """Return what tries the secret on a sealed value; None without one."""
    if not secret:
        return None

    def opens(sealed: bytes) -> bool:
        from outpost.crypto import SealBroken, Sealer  # slow to import, and seldom needed

        try:
            Sealer(secret).open(sealed)
        except SealBroken:
            return False
        return True

    return opens
