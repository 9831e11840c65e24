"""The log store of the distributed profile: ClickHouse where it is configured, else Postgres."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec

from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError
from outpost.pipeline.pace import PacedLogWriter
from outpost.ports.log_store import LogStore
from outpost.ports.log_writer import LogWriter

_CLICKHOUSE_INTERVAL = 0.2
"""Seconds between inserts. ClickHouse merges a few parts a second without effort, not the hundreds of a busy hour."""
_POSTGRES_INTERVAL = 0.05
"""Seconds between inserts. A transaction costs Postgres as much as many rows, and nobody waits for an attempt to be
logged: its delivery has ended, and its message is kept until then."""


class LogParts(msgspec.Struct, frozen=True):
    """A log store, to read and to write."""

    store: LogStore
    writer: LogWriter


@asynccontextmanager
async def open_log(settings: Settings) -> AsyncGenerator[LogParts]:
    """Open the configured log store.

    Raises:
        ConfigurationError: Its address cannot be read, or the retention cannot be applied to it.
        StoreUnavailable: It, or the Redis that remembers its retention, cannot be reached.
    """
    async with _clickhouse(settings) if settings.clickhouse.http_url else _postgres(settings) as log:
        yield log


@asynccontextmanager
async def _postgres(settings: Settings) -> AsyncGenerator[LogParts]:
    from outpost.clients.postgres import InvalidTarget, Pool, Target, check_tls_files
    from outpost.stores.log.postgres import PostgresLogStore
    from outpost.stores.log.postgres_writer import PostgresLogWriter

    try:
        target = Target.parse(settings.postgres.url)
        check_tls_files(target)
    except InvalidTarget as error:
        raise ConfigurationError(f"POSTGRES_URL: {error}") from None
    async with Pool(target, application="outpost") as pool:
        batch_size = settings.pipeline.log_batch_size
        async with PacedLogWriter(
            PostgresLogWriter(pool), interval=_POSTGRES_INTERVAL, batch_size=batch_size
        ) as writer:
            yield LogParts(PostgresLogStore(pool), writer)


@asynccontextmanager
async def _clickhouse(settings: Settings) -> AsyncGenerator[LogParts]:
    from outpost.clients.http import HttpClient
    from outpost.stores.log.clickhouse import ClickHouseLogStore
    from outpost.stores.log.clickhouse_retention import ClickHouseRetention
    from outpost.stores.log.clickhouse_writer import ClickHouseLogWriter
    from outpost.stores.log.redis_applied_days import RedisAppliedDays
    from outpost.wiring.clickhouse import clickhouse_client
    from outpost.wiring.redis import key_prefix, redis_client

    deployment_id = settings.general.deployment_id
    async with HttpClient() as http:
        clickhouse = clickhouse_client(settings.clickhouse, http)
        redis = redis_client(settings.redis, name="outpost")
        try:
            applied = RedisAppliedDays(redis, prefix=key_prefix(settings))
            retention = ClickHouseRetention(clickhouse, applied=applied, deployment_id=deployment_id)
            await retention.apply(settings.clickhouse.log_retention_ttl_days)
        finally:
            await redis.aclose()
        at_once = ClickHouseLogWriter(clickhouse, deployment_id=deployment_id)
        batch_size = settings.pipeline.log_batch_size
        async with PacedLogWriter(at_once, interval=_CLICKHOUSE_INTERVAL, batch_size=batch_size) as writer:
            yield LogParts(ClickHouseLogStore(clickhouse, deployment_id=deployment_id), writer)
