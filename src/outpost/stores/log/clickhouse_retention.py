"""How long a ClickHouse database keeps events and attempts: the server deletes them by a rule of the tables (TTL)."""

import logging
from datetime import datetime
from typing import Protocol

import msgspec

from outpost.clients.clickhouse import ClickHouse
from outpost.codec import to_milliseconds
from outpost.domain.errors import ConfigurationError
from outpost.stores.clickhouse_errors import store_errors
from outpost.stores.clickhouse_query import Statement, select
from outpost.stores.log.clickhouse_tables import tables_of

_logger = logging.getLogger(__name__)

MAX_DAYS = 10_000
"""The rule's result is a DateTime, which ends in 2106 and then begins again in 1970, when all is long expired."""

# Publishers say when an event happened, and may name a year that a DateTime does not know.
_FIRST = to_milliseconds(datetime.fromisoformat("1970-01-01T00:00:00Z"))
_LAST = to_milliseconds(datetime.fromisoformat("2070-01-01T00:00:00Z"))
_EVENT_TIME = f"least(greatest(event_time, fromUnixTimestamp64Milli({_FIRST})), fromUnixTimestamp64Milli({_LAST}))"


class AppliedDays(Protocol):
    """Remembers, outside the database, which retention was applied to it last."""

    async def read(self) -> int | None:
        """Return the days, 0 for "kept for ever", or None if nothing was applied yet.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        ...

    async def write(self, days: int) -> None:
        """Remember days.

        Raises:
            StoreUnavailable: It may or may not have been remembered.
        """
        ...


class _Table(msgspec.Struct, frozen=True):
    expires: bool


class ClickHouseRetention:
    """Sets the rule of a deployment's tables; called once at each start.

    Until days were configured for the first time, a rule that an operator made by hand is left alone. Servers that
    start together may all set the rule: it is the same. On a cluster the tables are replicas of one, which pass it on.
    """

    def __init__(self, clickhouse: ClickHouse, *, applied: AppliedDays, deployment_id: str = "") -> None:
        self._clickhouse = clickhouse
        self._applied = applied
        self._tables = tables_of(deployment_id)

    async def apply(self, days: int) -> None:
        """Have the server delete what is older than `days`; 0 keeps everything.

        What is there already is deleted in the background. Cancelling leaves one table or both with the new rule; the
        next call completes it.

        Raises:
            ConfigurationError: There is no such number of days.
            StoreUnavailable: The database, or what remembers the days, could not be used.
        """
        if not 0 <= days <= MAX_DAYS:
            raise ConfigurationError(
                f"CLICKHOUSE_LOG_RETENTION_TTL_DAYS is {days}: give 0, which keeps everything, or up to {MAX_DAYS} days"
            )
        last = await self._applied.read()
        if (last or 0) == days == 0:
            return
        with store_errors():
            if await self._set(days, again=last == days):
                _logger.info("log retention changed", extra={"fields": {"days": days, "store": "clickhouse"}})
        if last != days:
            await self._applied.write(days)

    async def _set(self, days: int, *, again: bool) -> bool:
        """Set the rule of both tables; `again` sets it only where none is, as in a database made anew."""
        changed = False
        for name, table, time in (
            (f"{self._tables.prefix}events", self._tables.events, _EVENT_TIME),
            (f"{self._tables.prefix}attempts", self._tables.attempts, "attempt_time"),
        ):
            expires = await self._expires(name)
            if days and not (again and expires):
                await self._clickhouse.execute(
                    f"ALTER TABLE {table} MODIFY TTL toDateTime({time}) + toIntervalDay({days})"
                )
            elif not days and expires:  # there is no REMOVE IF EXISTS
                await self._clickhouse.execute(f"ALTER TABLE {table} REMOVE TTL")
            else:
                continue
            changed = True
        return changed

    async def _expires(self, table: str) -> bool:
        """Return whether a table has a rule."""
        query = """
SELECT CAST(position(engine_full, ' TTL ') > 0, 'Bool') AS expires
  FROM system.tables
 WHERE database = currentDatabase() AND name = {table:String}"""
        found = await select(self._clickhouse, Statement(query, {"table": table}), _Table)
        return any(row.expires for row in found)
