"""How Postgres runs the queries of the log store on tables that are not small."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outpost.clients.postgres import Target, connect
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.ports.log_store import AttemptQuery, EventQuery, TimeWindow
from outpost.ports.paging import PageRequest, Position
from outpost.stores.log import postgres_attempts, postgres_events
from outpost.stores.log.postgres_expiry import EXPIRE_EVENTS, EXPIRE_ORPHANS
from outpost.stores.postgres_paging import Statement
from tests.support.postgres import PostgresServer
from tests.support.postgres_log import SCHEMA, restore

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
MIDDLE = Position(FIRST + timedelta(seconds=10_000), "evt_10000")
TENANT = TenantId("tenant_2")
PAGES = [
    PageRequest(limit=20),
    PageRequest(limit=20, direction="asc"),
    PageRequest(limit=20, after=MIDDLE),
    PageRequest(limit=20, direction="asc", before=MIDDLE),
]

# 20,000 events a second apart, of 5 tenants with 10 destinations each, and one attempt for each event, of which every
# eleventh failed.
_FILL = """
INSERT INTO events (id, tenant_id, time, topic, eligible_for_retry, data, metadata, matched_destination_ids)
SELECT 'evt_' || n, 'tenant_' || n % 5, timestamptz '2026-01-01 00:00+00' + n * interval '1 second',
       'topic_' || n % 7, true, '{}', '{}', ARRAY['des_' || n % 50]
  FROM generate_series(1, 20000) AS n;
INSERT INTO attempts (id, event_id, destination_id, status, time, manual, attempt_number, tenant_id, topic, event_time,
                      eligible_for_retry, event_data, event_metadata, destination_type)
SELECT 'atm_' || id, id, matched_destination_ids[1],
       CASE WHEN hashtext(id) % 11 = 0 THEN 'failed' ELSE 'success' END, time, false, 1, tenant_id, topic, time,
       true, '{}', '{}', 'webhook'
  FROM events;
ANALYZE events, attempts;
"""


@pytest.fixture(scope="module")
def filled_url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.fresh_database() as url:
        restore(url, SCHEMA)
        asyncio.run(_execute(url, _FILL))
        yield url


@pytest.mark.parametrize("page", PAGES)
async def test_a_tenants_lists_follow_an_index_in_its_order(filled_url: str, page: PageRequest) -> None:
    for statement in (
        postgres_events.page(EventQuery(page=page, tenant_ids=[TENANT])),
        postgres_events.page(EventQuery(page=page, tenant_ids=[TENANT], topics=["topic_3"])),
        postgres_attempts.page(AttemptQuery(page=page, tenant_ids=[TENANT])),
        postgres_attempts.page(AttemptQuery(page=page, tenant_ids=[TENANT], destination_ids=["des_7"])),
        postgres_attempts.page(AttemptQuery(page=page, tenant_ids=[TENANT], status="failed")),
        postgres_attempts.page(AttemptQuery(page=page, tenant_ids=[TENANT], topics=["topic_3"])),
    ):
        plan = await _explain(filled_url, statement)
        assert "Seq Scan" not in plan
        assert "Sort" not in plan


@pytest.mark.parametrize("page", PAGES)
async def test_lists_of_all_tenants_follow_an_index_in_its_order(filled_url: str, page: PageRequest) -> None:
    window = TimeWindow(gte=FIRST + timedelta(seconds=5_000), lt=FIRST + timedelta(seconds=15_000))
    for statement in (
        postgres_events.page(EventQuery(page=page, time=window)),
        postgres_attempts.page(AttemptQuery(page=page, time=window)),
    ):
        plan = await _explain(filled_url, statement)
        assert "Seq Scan" not in plan
        assert "Sort" not in plan


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "condition",
    [
        {"ids": ["evt_7", "evt_57"]},
        {"tenant_ids": [TENANT, "tenant_3"]},
        {"tenant_ids": [TENANT], "destination_ids": ["des_7"]},
        {"destination_ids": ["des_7", "des_8"]},
        {"topics": ["topic_3", "topic_4"]},
    ],
)
async def test_selected_events_are_not_found_by_reading_the_table(
    filled_url: str, page: PageRequest, condition: dict[str, Any]
) -> None:
    assert "Seq Scan" not in await _explain(filled_url, postgres_events.page(EventQuery(page=page, **condition)))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "condition",
    [
        {"event_ids": ["evt_7", "evt_57"]},
        {"tenant_ids": [TENANT], "event_ids": ["evt_7"]},
        {"tenant_ids": [TENANT, "tenant_3"], "destination_ids": ["des_7", "des_8"]},
        {"tenant_ids": [TENANT], "destination_types": ["webhook"]},
        {"status": "failed"},
    ],
)
async def test_selected_attempts_are_not_found_by_reading_the_table(
    filled_url: str, page: PageRequest, condition: dict[str, Any]
) -> None:
    assert "Seq Scan" not in await _explain(filled_url, postgres_attempts.page(AttemptQuery(page=page, **condition)))


@pytest.mark.parametrize("tenant_id", [None, TENANT])
async def test_a_single_row_is_found_by_an_index(filled_url: str, tenant_id: TenantId | None) -> None:
    for statement in (
        *postgres_events.newest(EventId("evt_57"), tenant_id),
        postgres_attempts.by_id(AttemptId("atm_evt_57"), tenant_id),
        postgres_attempts.latest(EventId("evt_57"), DestinationId("des_7"), tenant_id),
    ):
        assert "Seq Scan" not in await _explain(filled_url, statement)


async def test_a_batch_of_old_events_is_found_by_an_index(filled_url: str) -> None:
    plan = await _explain(filled_url, Statement(EXPIRE_EVENTS, [FIRST + timedelta(seconds=2_000), 100]))
    assert "Seq Scan" not in plan


async def test_attempts_without_an_event_are_looked_for_among_the_old_ones_only(filled_url: str) -> None:
    plan = await _explain(filled_url, Statement(EXPIRE_ORPHANS, [FIRST + timedelta(seconds=100), 100]))
    assert "Seq Scan" not in plan


async def _explain(url: str, statement: Statement) -> str:
    async with connect(Target.parse(url), application="tests") as connection:
        rows = await connection.fetch(f"EXPLAIN {statement.sql}", *statement.parameters)
    return "\n".join(row[0] for row in rows)


async def _execute(url: str, script: str) -> None:
    async with connect(Target.parse(url), application="tests") as connection:
        await connection.execute(script)
