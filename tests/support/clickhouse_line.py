"""The ClickHouse line over a database of a test, and databases as the original tool left them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from outpost.clients.clickhouse import ClickHouse
from outpost.clients.http import HttpClient
from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.report import Applied, State
from outpost.migrations.run import Limits
from outpost.migrations.sql.clickhouse.dialect import clickhouse_line
from outpost.wiring.clickhouse import http_transport
from tests.support.clickhouse import ClickHouseDatabase

IDS = (
    "clickhouse/000001_init",
    "clickhouse/000002_matched_destination_ids",
    "clickhouse/000003_attempt_destination_type",
)

# What each version of the original tool makes, statement by statement: it sends them one by one and may stop after any.
_EVENT = (
    "event_id String, tenant_id String, destination_id String, topic String, eligible_for_retry Bool, "
    "event_time DateTime64(3), metadata String, data String"
)
_ATTEMPT = (
    f"{_EVENT}, attempt_id String, status String, attempt_time DateTime64(3), code String, response_data String, "
    "manual Bool DEFAULT false, attempt_number UInt32 DEFAULT 0"
)
_ENGINE = "ENGINE ReplacingMergeTree PARTITION BY toYYYYMM({0}_time) ORDER BY ({0}_time, {0}_id)"
_BLOOM = "TYPE bloom_filter GRANULARITY 1"
_INDEXES = "".join(
    f", INDEX idx_{column} {column} {_BLOOM}" for column in ("tenant_id", "destination_id", "event_id", "topic")
)
_ATTEMPT_INDEXES = (
    ", INDEX idx_attempt_id attempt_id TYPE bloom_filter GRANULARITY 1"
    ", INDEX idx_status status TYPE set(100) GRANULARITY 1"
)
ORIGINAL = {
    1: (
        f"CREATE TABLE IF NOT EXISTS `$events` ({_EVENT}{_INDEXES}) {_ENGINE.format('event')}",
        f"CREATE TABLE IF NOT EXISTS `$attempts` ({_ATTEMPT}{_INDEXES}{_ATTEMPT_INDEXES}) {_ENGINE.format('attempt')}",
    ),
    2: (
        "ALTER TABLE `$events` ADD COLUMN matched_destination_ids Array(String) DEFAULT []",
        f"ALTER TABLE `$events` ADD INDEX idx_matched_destination_ids matched_destination_ids {_BLOOM}",
        "ALTER TABLE `$events` DROP INDEX IF EXISTS idx_destination_id",
        "ALTER TABLE `$events` DROP COLUMN IF EXISTS destination_id",
    ),
    3: (
        "ALTER TABLE `$attempts` ADD COLUMN destination_type String DEFAULT ''",
        "ALTER TABLE `$attempts` ADD INDEX idx_destination_type destination_type TYPE bloom_filter GRANULARITY 1",
    ),
}
_OLD_EVENT = (
    "id String, tenant_id String, destination_id String, topic String, eligible_for_retry Bool, time DateTime, "
    "metadata String, data String"
)
_OLD_DELIVERY = (
    "id String, delivery_event_id String, event_id String, destination_id String, status String, time DateTime"
)
BEFORE_013 = (
    f"CREATE TABLE events ({_OLD_EVENT}) ENGINE MergeTree ORDER BY (id, time)",
    f"CREATE TABLE deliveries ({_OLD_DELIVERY}) ENGINE ReplacingMergeTree ORDER BY (id, time)",
)


class LineUnderTest:
    """A database, the commands over its line, and what it holds."""

    def __init__(self, client: ClickHouse, coordinator: Coordinator, prefix: str) -> None:
        self.client = client
        self.coordinator = coordinator
        self.prefix = prefix

    async def apply(self, *, batch: int | None = None, until: str | None = None) -> Applied:
        return await self.coordinator.apply(ApplyRequest(single_runner=True, until=until, limits=Limits(batch=batch)))

    async def states(self) -> Sequence[State]:
        return [state.state for state in await self.coordinator.states()]

    async def execute(self, *statements: str) -> None:
        for statement in statements:
            await self.client.execute(statement.replace("$", self.prefix))

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        found = await self.client.select(query.replace("$", self.prefix), row=dict[str, Any])
        return [tuple(row.values()) for row in found]

    async def original(
        self, version: int, *, steps: int | None = None, engine: str = "MergeTree ORDER BY sequence"
    ) -> None:
        """Make what the original tool makes up to `version`, of which it does `steps` and then fails."""
        columns = "(version Int64, dirty UInt8, sequence UInt64)"
        await self.execute(f"CREATE TABLE `$schema_migrations` {columns} ENGINE {engine}")
        for number in range(1, version + 1):
            await self._version_row(number, dirty=True)
            failed = number == version and steps is not None
            await self.execute(*ORIGINAL[number][: steps if failed else None])
            if not failed:
                await self._version_row(number, dirty=False)

    async def version_row(self) -> tuple[Any, ...]:
        rows = await self.rows("SELECT version, dirty FROM `$schema_migrations` ORDER BY sequence DESC LIMIT 1")
        return rows[0]

    async def _version_row(self, version: int, *, dirty: bool) -> None:
        await self.execute(
            f"INSERT INTO `$schema_migrations` SELECT {version}, {int(dirty)}, toUnixTimestamp64Nano(now64(9))"
        )


@asynccontextmanager
async def line_under_test(
    database: ClickHouseDatabase, *, deployment_id: str = "", cluster: str = "", password: str | None = None
) -> AsyncIterator[LineUnderTest]:
    http = HttpClient()
    client = ClickHouse(
        http_transport(http),
        url=database.url,
        user=database.user,
        password=database.password if password is None else password,
        database=database.database,
    )
    line = clickhouse_line(
        client,
        database=database.database,
        deployment_id=deployment_id,
        cluster=cluster,
        address_origin="from CLICKHOUSE_HTTP_URL",
        close=http.aclose,
    )
    async with Coordinator([line]) as coordinator:
        yield LineUnderTest(client, coordinator, f"{deployment_id}_" if deployment_id else "")
