"""The log store of the distributed profile: ClickHouse where it is configured, else Postgres."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec

from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError
from outpost.ports.log_store import LogStore
from outpost.ports.log_writer import LogWriter


class LogParts(msgspec.Struct, frozen=True):
    """A log store, to read and to write."""

    store: LogStore
    writer: LogWriter


@asynccontextmanager
async def open_log(settings: Settings) -> AsyncGenerator[LogParts]:
    """Open the configured log store; nothing is asked of it yet.

    Raises:
        ConfigurationError: Its address cannot be read.
    """
    from outpost.clients.postgres import InvalidTarget, Pool, Target
    from outpost.stores.log.postgres import PostgresLogStore
    from outpost.stores.log.postgres_writer import PostgresLogWriter

    try:
        target = Target.parse(settings.postgres.url)
    except InvalidTarget as error:
        raise ConfigurationError(f"POSTGRES_URL: {error}") from None
    async with Pool(target, application="outpost") as pool:
        yield LogParts(PostgresLogStore(pool), PostgresLogWriter(pool))
