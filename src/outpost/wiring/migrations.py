"""The lines of migrations that a configuration names, and the check that a server starts with."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError
from outpost.migrations.coordinator import Coordinator
from outpost.migrations.errors import MigrationError
from outpost.migrations.lease import Timings
from outpost.migrations.line import Line
from outpost.migrations.report import Family, MigrationState

_KEPT_SECONDS = 5.0


def migration_lines(
    settings: Settings, *, family: Family | None = None, timings: Timings | None = None
) -> Sequence[Line]:
    """Return a line for each configured store, SQL first and then Redis; nothing is opened yet.

    Args:
        family: Leave out the lines of the other family.

    Raises:
        ConfigurationError: No store (of the family) is configured.
    """
    lines: list[Line] = []
    if settings.postgres.url:
        from outpost.migrations.sql.postgres.dialect import postgres_line

        lines.append(postgres_line(settings.postgres.url, timings))
    if settings.clickhouse.http_url:
        lines.append(_clickhouse(settings))
    if settings.profile == "embedded":
        from outpost.migrations.sql.sqlite.dialect import sqlite_line

        lines.append(sqlite_line(Path(settings.sqlite.path), timings))
    if settings.profile == "distributed" and settings.configures("redis"):
        from outpost.wiring.redis_line import redis_line

        lines.append(redis_line(settings, timings or Timings()))
    lines = [line for line in lines if family in (None, line.family)]
    if not lines:
        raise ConfigurationError(f"no {family or ''} store is configured to migrate".replace("  ", " "))
    return lines


def _clickhouse(settings: Settings) -> Line:
    from outpost.clients.http import HttpClient
    from outpost.migrations.sql.clickhouse.dialect import clickhouse_line
    from outpost.wiring.clickhouse import clickhouse_client

    http = HttpClient()
    return clickhouse_line(
        clickhouse_client(settings.clickhouse, http),
        database=settings.clickhouse.database,
        deployment_id=settings.general.deployment_id,
        cluster=settings.clickhouse.cluster,
        address_origin=settings.clickhouse.http_url_origin,
        close=http.aclose,
    )


async def pending_migrations(settings: Settings) -> Sequence[MigrationState]:
    """Return what keeps a server of these settings from starting; empty if it may start.

    With `MIGRATIONS_GATE=compatible` a pending migration that declares itself online does not keep it.

    Raises:
        MigrationError: A store cannot be read, or its data is newer than this program.
    """
    async with Coordinator(migration_lines(settings)) as coordinator:
        pending = await coordinator.pending()
    if settings.general.migrations_gate == "compatible" and all(state.online for state in pending):
        return []
    return pending


class MigrationsCheck:
    """The same check for probes that come every few seconds: what was found is kept for a moment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asked_at = float("-inf")
        self._migrated = False

    async def __call__(self) -> bool:
        """Say whether a server of these settings may start now; a store that cannot be read says no."""
        now = asyncio.get_running_loop().time()
        if now - self._asked_at > _KEPT_SECONDS:
            try:
                self._migrated = not await pending_migrations(self._settings)
            except MigrationError:
                self._migrated = False
            self._asked_at = now
        return self._migrated
