"""How long ClickHouse keeps events and attempts, and where that is remembered."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from outpost.clients.redis import Redis, RedisClient, RedisOptions
from outpost.conformance.builders import an_attempt, an_event
from outpost.domain.errors import ConfigurationError, StoreUnavailable
from outpost.ports.log_store import AttemptQuery, EventQuery
from outpost.ports.paging import PageRequest
from outpost.stores.log.clickhouse import ClickHouseLogStore
from outpost.stores.log.clickhouse_retention import MAX_DAYS, ClickHouseRetention
from outpost.stores.log.redis_applied_days import RedisAppliedDays
from tests.support.clickhouse_log import ClickHouseLog
from tests.support.servers.redis import RedisServer

NOW = datetime.now(UTC)
ALL = PageRequest(limit=100, direction="asc")


class Notebook:
    """`AppliedDays` in memory; it may refuse to be written."""

    def __init__(self, days: int | None = None) -> None:
        self.days = days
        self.works = True

    async def read(self) -> int | None:
        return self.days

    async def write(self, days: int) -> None:
        if not self.works:
            raise StoreUnavailable("the notebook", "closed")
        self.days = days


@pytest.fixture
async def log(clickhouse_log: ClickHouseLog) -> AsyncIterator[ClickHouseLog]:
    yield clickhouse_log
    for table in ("events", "attempts"):
        await clickhouse_log.execute(
            f"ALTER TABLE `${table}` MODIFY TTL toDateTime({table[:-1]}_time) + toIntervalDay(1)"
        )
        await clickhouse_log.execute(f"ALTER TABLE `${table}` REMOVE TTL")


def retention(log: ClickHouseLog, notebook: Notebook) -> ClickHouseRetention:
    return ClickHouseRetention(log.client, applied=notebook, deployment_id=log.deployment_id)


async def rules(log: ClickHouseLog) -> list[str]:
    """Return the rules of events and attempts, each empty if there is none."""
    found = await log.rows(
        "SELECT extract(engine_full, 'TTL (.*) SETTINGS') FROM system.tables WHERE database = currentDatabase() "
        "AND name IN ('$events', '$attempts') ORDER BY name DESC"
    )
    return [row[0] for row in found]


async def test_what_is_older_than_the_days_is_deleted(log: ClickHouseLog) -> None:
    notebook = Notebook()
    for name, age in (("old", 31), ("new", 29)):
        time = NOW - timedelta(days=age)
        await log.insert(an_event(name, time=time), [an_attempt(f"atm_{name}", event_id=name, time=time)])

    await retention(log, notebook).apply(30)
    for table in ("events", "attempts"):
        await log.execute(f"OPTIMIZE TABLE `${table}` FINAL")

    store = ClickHouseLogStore(log.client, deployment_id=log.deployment_id)
    assert [event.id for event in (await store.events(EventQuery(page=ALL))).items] == ["new"]
    assert [logged.attempt.id for logged in (await store.attempts(AttemptQuery(page=ALL))).items] == ["atm_new"]
    assert notebook.days == 30


async def test_other_days_replace_the_rule_and_0_removes_it(log: ClickHouseLog) -> None:
    notebook = Notebook()

    await retention(log, notebook).apply(30)
    await retention(log, notebook).apply(7)
    seven = await rules(log)
    await retention(log, notebook).apply(0)

    assert all(rule.endswith("toIntervalDay(7)") for rule in seven)
    assert await rules(log) == ["", ""]
    assert notebook.days == 0


@pytest.mark.parametrize("last", [None, 0])
async def test_a_rule_made_by_hand_is_left_alone_where_nothing_is_configured(
    log: ClickHouseLog, last: int | None
) -> None:
    await log.execute("ALTER TABLE `$events` MODIFY TTL toDateTime(event_time) + toIntervalDay(3)")
    notebook = Notebook(last)

    await retention(log, notebook).apply(0)

    assert await rules(log) == ["toDateTime(event_time) + toIntervalDay(3)", ""]
    assert notebook.days == last


async def test_tables_made_anew_get_the_rule_that_is_remembered_as_applied(log: ClickHouseLog) -> None:
    by_hand = "toDateTime(event_time) + toIntervalDay(3)"
    await log.execute(f"ALTER TABLE `$events` MODIFY TTL {by_hand}")

    await retention(log, Notebook(30)).apply(30)

    assert await rules(log) == [by_hand, "toDateTime(attempt_time) + toIntervalDay(30)"]


@pytest.mark.parametrize("table", ["events", "attempts"])
async def test_removing_goes_on_where_it_was_interrupted(log: ClickHouseLog, table: str) -> None:
    notebook = Notebook()
    await retention(log, notebook).apply(30)
    await log.execute(f"ALTER TABLE `${table}` REMOVE TTL")

    await retention(log, notebook).apply(0)

    assert await rules(log) == ["", ""]


async def test_days_that_could_not_be_remembered_are_applied_again(log: ClickHouseLog) -> None:
    notebook = Notebook(7)
    notebook.works = False

    with pytest.raises(StoreUnavailable):
        await retention(log, notebook).apply(30)
    notebook.works = True
    await retention(log, notebook).apply(30)

    assert notebook.days == 30


async def test_an_event_of_a_year_that_the_rule_cannot_count_to_is_not_taken_for_an_old_one(
    log: ClickHouseLog,
) -> None:
    for year in (1950, 2050, 2150):
        await log.insert(an_event(f"evt_{year}", time=datetime(year, 1, 1, tzinfo=UTC)))

    await retention(log, Notebook()).apply(MAX_DAYS)
    await log.execute("OPTIMIZE TABLE `$events` FINAL")

    store = ClickHouseLogStore(log.client, deployment_id=log.deployment_id)
    assert [event.id for event in (await store.events(EventQuery(page=ALL))).items] == ["evt_2050", "evt_2150"]


@pytest.mark.parametrize("days", [-1, MAX_DAYS + 1])
async def test_a_number_of_days_that_no_rule_can_say_is_refused(log: ClickHouseLog, days: int) -> None:
    notebook = Notebook()

    with pytest.raises(ConfigurationError, match="CLICKHOUSE_LOG_RETENTION_TTL_DAYS"):
        await retention(log, notebook).apply(days)

    assert await rules(log) == ["", ""]
    assert notebook.days is None


async def test_the_days_are_remembered_where_the_reference_looks(redis: Redis) -> None:
    applied = RedisAppliedDays(redis, prefix="dp_001:")

    nothing = await applied.read()
    await applied.write(30)

    assert nothing is None
    assert await applied.read() == 30
    assert await redis.command("GET", "dp_001:outpost:log_retention_ttl") == b"30"
    assert await RedisAppliedDays(redis).read() is None


async def test_what_is_no_number_counts_as_not_remembered(redis: Redis) -> None:
    await redis.command("SET", "outpost:log_retention_ttl", "thirty")

    assert await RedisAppliedDays(redis).read() is None


async def test_a_redis_that_refuses_is_unavailable(redis_password_server: RedisServer) -> None:
    async with RedisClient(RedisOptions(port=redis_password_server.port)) as redis:
        applied = RedisAppliedDays(redis)
        with pytest.raises(StoreUnavailable, match="Redis"):
            await applied.read()
        with pytest.raises(StoreUnavailable, match="Redis"):
            await applied.write(1)
