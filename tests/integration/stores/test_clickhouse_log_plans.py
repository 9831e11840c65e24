"""How much ClickHouse reads for the queries of the log store, on tables that are not small."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outpost.domain.identifiers import TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, TimeWindow
from outpost.ports.paging import PageRequest, Position
from outpost.stores.clickhouse_paging import PageQuery, page_statement
from outpost.stores.clickhouse_query import Statement
from outpost.stores.log import clickhouse_attempts, clickhouse_events
from outpost.stores.log.clickhouse_tables import Tables
from tests.support.clickhouse_log import ClickHouseLog

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 200_000
GRANULE = 8192

# A second apart, of 5 tenants, with one attempt for each event.
_EVENTS = f"""
INSERT INTO `$events` (event_id, tenant_id, topic, event_time, metadata, data, matched_destination_ids)
SELECT concat('evt_', toString(number)), concat('tenant_', toString(number % 5)), 'topic',
       toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number, '{{}}', '{{}}', ['des_1']
  FROM numbers({ROWS})"""
_ATTEMPTS = """
INSERT INTO `$attempts` (event_id, tenant_id, topic, event_time, metadata, data, attempt_id, attempt_time)
SELECT event_id, tenant_id, topic, event_time, metadata, data, concat('atm_', event_id), event_time FROM `$events`"""


@pytest.fixture
async def filled(own_clickhouse_log: ClickHouseLog) -> ClickHouseLog:
    await own_clickhouse_log.execute(_EVENTS)
    await own_clickhouse_log.execute(_ATTEMPTS)
    return own_clickhouse_log


async def test_what_is_beyond_a_position_or_outside_a_window_is_not_read(filled: ClickHouseLog) -> None:
    late = Position(FIRST + timedelta(seconds=ROWS - 10_000), "evt")
    early = Position(FIRST + timedelta(seconds=10_000), "evt")
    window = TimeWindow(gte=early.at, lt=early.at + timedelta(seconds=1000))
    for page in (
        PageRequest(limit=20, after=early),
        PageRequest(limit=20, direction="asc", after=late),
        PageRequest(limit=20, direction="asc", before=early),
    ):
        for query in (
            clickhouse_events.page(Tables(), EventQuery(page=page, tenant_ids=["tenant_2"])),
            clickhouse_attempts.page(Tables(), AttemptQuery(page=page, tenant_ids=["tenant_2"])),
        ):
            assert await _granules(filled, _statement(query, page)) <= 2 + 10_000 // GRANULE
    page = PageRequest(limit=20)
    query = clickhouse_events.page(Tables(), EventQuery(page=page, time=window))
    assert await _granules(filled, _statement(query, page)) <= 2


async def test_the_events_of_a_page_of_attempts_are_looked_up_by_their_keys(filled: ClickHouseLog) -> None:
    first = int(FIRST.timestamp()) * 1000
    keys = [(first + number * 1000, f"evt_{number}") for number in (5, 6, 7, ROWS - 3)]

    statement = clickhouse_events.matches(Tables(), keys)

    assert await _granules(filled, statement) <= 4
    assert len(await filled.client.select(statement.sql, row=dict[str, Any])) == len(keys)


@pytest.mark.parametrize("tenant_id", [None, TenantId("tenant_0")])
async def test_a_single_row_is_found_by_an_index(filled: ClickHouseLog, tenant_id: TenantId | None) -> None:
    id_: Any = "evt_57000"
    for statement in (
        *clickhouse_events.newest(Tables(), id_, tenant_id),
        clickhouse_attempts.by_id(Tables(), "atm_evt_57000", tenant_id),  # type: ignore[arg-type]
    ):
        assert await _granules(filled, statement) <= ROWS // GRANULE // 3


def _statement(query: PageQuery[Any], page: PageRequest) -> Statement:
    return page_statement(query, page, after=None, limit=page.limit + 1)


async def _granules(log: ClickHouseLog, statement: Statement) -> int:
    """Return how many blocks of rows the indexes leave to be read."""
    estimate = await log.client.select(f"EXPLAIN ESTIMATE {statement.sql}", statement.parameters, row=dict[str, Any])
    return sum(row["marks"] for row in estimate)
