"""Old events leave a SQLite file in small transactions, with all that belongs to them and nothing that does not."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from outpost.clients.sqlite import Database
from outpost.codec import to_microseconds
from outpost.stores.log import sqlite_expiry
from outpost.stores.log.sqlite import SQLiteLogStore
from tests.support.builders import START, an_attempt, an_event
from tests.support.sqlite import fresh_database
from tests.support.sqlite_log import find_event, insert_event, insert_task

_OLD = START - timedelta(days=40)
_LIMIT = START - timedelta(days=30)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with fresh_database(tmp_path) as database:
        yield database


def _insert_old(connection: sqlite3.Connection, count: int, *, prefix: str = "old") -> None:
    for number in range(count):
        event = an_event(f"{prefix}_{number}", time=_OLD + timedelta(seconds=number))
        attempt = an_attempt(f"atm_{prefix}_{number}", event_id=event.id, time=event.time)
        insert_event(connection, event, [attempt])


async def _count(database: Database, table: str) -> int:
    (count,) = await database.read(lambda c: c.execute(f"SELECT count(*) FROM {table}").fetchone())
    return count


async def test_deleting_many_gives_other_writes_their_turn(database: Database) -> None:
    await database.write(lambda connection: _insert_old(connection, 350))
    statements: list[str] = []
    await database.write(lambda connection: connection.set_trace_callback(statements.append))

    assert await SQLiteLogStore(database).delete_before(_LIMIT, limit=1000) == 350

    await database.write(lambda connection: connection.set_trace_callback(None))
    deletes = [statement for statement in statements if statement.startswith("DELETE FROM events")]
    assert [statement.count(",") + 1 for statement in deletes] == [100, 100, 100, 50]
    assert statements.count("COMMIT") >= 4
    assert (await _count(database, "events"), await _count(database, "attempts")) == (0, 0)


async def test_events_with_waiting_tasks_stay_and_do_not_stop_the_rest(database: Database) -> None:
    def insert(connection: sqlite3.Connection) -> None:
        for number in range(150):  # the oldest, and more than one transaction's worth
            event = an_event(f"waiting_{number}", time=_OLD - timedelta(days=1))
            insert_event(connection, event)
            insert_task(connection, event, lease=number % 2)
        _insert_old(connection, 150)

    await database.write(insert)

    assert await SQLiteLogStore(database).delete_before(_LIMIT, limit=1000) == 150
    kept = await database.read(lambda c: c.execute("SELECT id FROM events").fetchall())
    assert {name for (name,) in kept} == {f"waiting_{number}" for number in range(150)}
    assert await _count(database, "tasks") == 150


async def test_an_event_goes_once_its_task_has_ended(database: Database) -> None:
    event = an_event(time=_OLD)

    def insert(connection: sqlite3.Connection) -> None:
        insert_event(connection, event)
        insert_task(connection, event)

    await database.write(insert)
    log = SQLiteLogStore(database)
    assert await log.delete_before(_LIMIT, limit=10) == 0

    await database.write(lambda connection: connection.execute("DELETE FROM tasks"))
    assert await log.delete_before(_LIMIT, limit=10) == 1


async def test_the_records_of_dropped_tasks_go_with_their_event(database: Database) -> None:
    def insert(connection: sqlite3.Connection) -> None:
        for name, time in (("old", _OLD), ("new", START)):
            event = an_event(name, time=time)
            insert_event(connection, event)
            connection.execute(
                "INSERT INTO dropped_tasks (event_key, destination_key, attempt_number, manual, reason, dropped_at) "
                "VALUES (?, 1, 1, 0, 'destination deleted', 0)",
                (find_event(connection, event),),
            )

    await database.write(insert)
    await SQLiteLogStore(database).delete_before(_LIMIT, limit=10)

    left = await database.read(
        lambda c: c.execute("SELECT e.id FROM dropped_tasks d JOIN events e ON e.key = d.event_key").fetchall()
    )
    assert left == [("new",)]
    assert await _count(database, "dropped_tasks") == 1


@pytest.mark.parametrize("meanwhile", ["a task", "an attempt"])
async def test_what_was_retried_between_finding_and_deleting_stays(database: Database, meanwhile: str) -> None:
    before = to_microseconds(_LIMIT)
    await database.write(lambda connection: _insert_old(connection, 3))
    keys = await database.read(lambda connection: sqlite_expiry.expired(connection, before, 10))
    event = an_event("old_1")

    def retry(connection: sqlite3.Connection) -> None:
        if meanwhile == "a task":
            insert_task(connection, event)
        else:
            insert_event(connection, event, [an_attempt("atm_new", event_id=event.id, time=START)])

    await database.write(retry)

    assert len(keys) == 3
    assert await database.write(lambda connection: sqlite_expiry.delete(connection, keys, before)) == 2
    assert await database.read(lambda c: c.execute("SELECT id FROM events").fetchall()) == [("old_1",)]


async def test_finding_what_has_expired_reads_no_table_as_a_whole(database: Database) -> None:
    plan = await database.read(
        lambda c: c.execute(
            f"EXPLAIN QUERY PLAN {sqlite_expiry._EXPIRED} ORDER BY e.time LIMIT :limit", {"before": 0, "limit": 10}
        ).fetchall()
    )

    steps = [row[3] for row in plan]
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]
    assert any("events_by_time" in step for step in steps)
    assert any("attempts_by_event" in step for step in steps)
