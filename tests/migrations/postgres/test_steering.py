"""`pause`, `resume` and `throttle` reach a run that goes over a table in batches."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from outpost.cli import migrate_output
from outpost.clients.postgres import Connection, connect
from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.lease import Timings
from outpost.migrations.run import Limits
from outpost.migrations.sql.postgres.dialect import postgres_scripts
from outpost.migrations.sql.script import Script
from outpost.migrations.steering import SteeringChange, pausing, resuming
from tests.migrations.postgres.databases import PostgresDatabase

_OFTEN = Timings(heartbeat=0.05, poll=0.05)
_EVENT = "INSERT INTO events VALUES ('evt', 't', '', '2025-01-01', 'topic', true, '{}', '{}')"
_DELIVERIES = """
INSERT INTO deliveries
SELECT n::text, 'evt', 'des', 'success', timestamptz '2025-01-02' + n * interval '1 s'
  FROM generate_series(1, 500) AS n"""
_FILLED = "SELECT count(*) FROM deliveries WHERE tenant_id IS NOT NULL"


def _in_batches_of(rows: int) -> Sequence[Script]:
    def smaller(statement: Any) -> Any:
        if "batches" not in statement.directives:
            return statement
        table = statement.directives["batches"].split()[0]
        return msgspec.structs.replace(statement, directives={**statement.directives, "batches": f"{table} {rows}"})

    return [
        msgspec.structs.replace(script, statements=[smaller(each) for each in script.statements])
        for script in postgres_scripts()
    ]


@asynccontextmanager
async def _held_up(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Coordinator, asyncio.Task[Any], Connection]]:
    """A run that cannot get past the 150th row before the connection ends its transaction, or the block ends."""
    await database.apply(4)
    await database.execute(_EVENT, _DELIVERIES)
    await database.apply_until("postgres.after_commit", 1, monkeypatch)
    line = database.line(scripts=_in_batches_of(100))
    async with Coordinator([line], observe=database._observe, timings=_OFTEN) as coordinator:
        async with connect(database.target, application="another program") as other:
            await other.execute("BEGIN")
            await other.execute("SELECT 1 FROM deliveries WHERE id = '150' FOR UPDATE")
            until = postgres_scripts()[4].id
            applying = asyncio.create_task(coordinator.apply(ApplyRequest(until=until, limits=Limits())))
            await database.told("warning")
            yield coordinator, applying, other
        await applying


async def _heartbeats(database: PostgresDatabase, number: int) -> None:
    """Wait until the run has renewed its lock so often; it has heard by then what was asked of it before."""
    query = "SELECT heartbeat_at FROM outpost_migration_lease"
    for _ in range(number):
        before = await database.value(query)
        async with asyncio.timeout(10):
            while await database.value(query) == before:
                await asyncio.sleep(0.01)


async def test_a_paused_run_does_no_batch_until_it_is_resumed_also_if_it_is_throttled(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _held_up(database, monkeypatch) as (coordinator, applying, other):
        await coordinator.steer(pausing("ada@db1", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
        await coordinator.steer(SteeringChange(max_latency_ms=100))
        await _heartbeats(database, 2)
        await other.execute("ROLLBACK")
        await database.told("paused")
        await _heartbeats(database, 5)
        filled = await database.value(_FILLED)
        still_paused = not applying.done()
        (holder,) = await coordinator.holders()
        await coordinator.steer(resuming())
        await applying

    assert still_paused
    assert filled < 500
    assert holder.progress is not None
    assert holder.progress.throttled == "paused"
    told = [event for event in database.events if event.event in ("paused", "resumed")]
    assert [event.event for event in told] == ["paused", "resumed"]
    assert told[0].fields["reason"] == (
        "paused since 2026-01-02 03:04:05Z by ada@db1; to go on, run: outpost migrate resume"
    )


async def test_a_step_that_says_nothing_of_itself_is_shown_with_the_time_it_has_taken(
    database: PostgresDatabase,
) -> None:
    await database.apply(5)
    until = postgres_scripts()[5].id
    async with Coordinator([database.line()], observe=database._observe, timings=_OFTEN) as coordinator:
        async with connect(database.target, application="another program") as other:
            await other.execute("BEGIN")
            await other.execute("LOCK TABLE attempts IN ACCESS SHARE MODE")
            applying = asyncio.create_task(coordinator.apply(ApplyRequest(until=until)))
            await database.told("warning")
            await _heartbeats(database, 2)
            (earlier,) = await coordinator.holders()
            await _heartbeats(database, 2)
            (later,) = await coordinator.holders()
            text = migrate_output.status(await coordinator.status())
        await applying

    for shown in (earlier.progress, later.progress):
        assert shown is not None
        assert (shown.migration, shown.step, shown.steps, shown.has_figures) == (until, 6, 10, False)
    assert earlier.progress is not None
    assert later.progress is not None
    assert 0 < earlier.progress.step_seconds < later.progress.step_seconds
    assert f"Working   postgres  {until}  step 6 of 10, since " in text


async def test_a_throttled_run_does_smaller_batches(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _held_up(database, monkeypatch) as (coordinator, *_):
        await coordinator.steer(SteeringChange(max_latency_ms=0.001))
        await _heartbeats(database, 2)

    batches = [event.fields["batch"] for event in database.events if event.event == "progress"]
    assert batches[-1] < 100


async def test_a_run_that_is_let_alone_does_larger_ones(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _held_up(database, monkeypatch):
        pass

    batches = [event.fields["batch"] for event in database.events if event.event == "progress"]
    assert batches[-1] > 50
