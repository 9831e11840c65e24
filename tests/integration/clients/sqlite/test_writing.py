"""What is written together, what fails alone, and what a finished write promises."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from outpost.clients.sqlite import Database, DatabaseUnavailable
from tests.integration.clients.sqlite.outside import connect, insert, names


class Gate:
    """An operation that holds the writer thread, so that what is written meanwhile waits together."""

    def __init__(self, database: Database) -> None:
        self._loop = asyncio.get_running_loop()
        self._entered = asyncio.Event()
        self._release = threading.Event()
        self._held = database.write(self._hold)

    def _hold(self, connection: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self._entered.set)
        assert self._release.wait(10)

    async def __aenter__(self) -> "Gate":
        await self._entered.wait()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._release.set()
        await self._held


async def _traced(database: Database) -> list[str]:
    """Return a list to which the writer's statements are added from now on."""
    statements: list[str] = []

    def trace(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)

    await database.write(trace)
    statements.clear()
    return statements


async def test_what_waits_together_is_committed_together(database: Database, path: Path) -> None:
    statements = await _traced(database)
    async with Gate(database):
        writes = [database.write(insert(f"n{number}")) for number in range(100)]
    keys = await asyncio.gather(*writes)

    assert statements.count("COMMIT") == 2  # the gate's and theirs
    assert keys == list(range(1, 101))
    assert len(names(path)) == 100


async def test_a_group_has_a_limit(database: Database) -> None:
    statements = await _traced(database)
    async with Gate(database):
        writes = [database.write(insert(f"n{number}")) for number in range(1025)]
    await asyncio.gather(*writes)

    assert statements.count("COMMIT") == 1 + 3  # 512, 512 and 1


async def test_a_lone_write_waits_for_no_other(database: Database, path: Path) -> None:
    assert await database.write(insert("one")) == 1
    assert names(path) == {"one"}


async def test_a_finished_write_is_seen_by_others(database: Database, path: Path) -> None:
    with closing(connect(path)) as outside:
        for number in range(20):
            await database.write(insert(f"n{number}"))
            seen = outside.execute("SELECT count(*) FROM items").fetchone()
            assert seen == (number + 1,)
            assert await database.read(lambda c: c.execute("SELECT count(*) FROM items").fetchone()) == seen


async def test_what_is_reported_as_written_is_flushed_to_disk(database: Database) -> None:
    full = 2
    assert await database.write(lambda c: c.execute("PRAGMA synchronous").fetchone()) == (full,)
    assert await database.write(lambda c: c.execute("PRAGMA journal_mode").fetchone()) == ("wal",)


def _broken_statement(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO items (name) VALUES ('half')")
    connection.execute("INSERT INTO nowhere VALUES (1)")


def _broken_rule(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO items (name) VALUES ('half'), ('half')")


def _broken_code(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO items (name) VALUES ('half')")
    raise KeyError("here")


def _exhausted(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO items (name) VALUES ('half')")
    next(iter(()))


def _leaving(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO items (name) VALUES ('half')")
    raise asyncio.CancelledError


_FAULTS = [
    (_broken_statement, sqlite3.OperationalError),
    (_broken_rule, sqlite3.IntegrityError),
    (_broken_code, KeyError),
    (_exhausted, RuntimeError),
    (_leaving, asyncio.CancelledError),
]


@pytest.mark.parametrize(("operation", "error"), _FAULTS)
async def test_an_operation_that_fails_does_not_sink_its_neighbours(
    database: Database, path: Path, operation: Callable[[sqlite3.Connection], None], error: type[BaseException]
) -> None:
    async with Gate(database):
        before = [database.write(insert(f"before{number}")) for number in range(3)]
        failing = database.write(operation)
        after = [database.write(insert(f"after{number}")) for number in range(3)]

    with pytest.raises(error):
        await failing
    await asyncio.gather(*before, *after)
    assert names(path) == {f"{when}{number}" for when in ("before", "after") for number in range(3)}


@pytest.mark.parametrize(("operation", "error"), _FAULTS)
async def test_a_lone_operation_that_fails_stores_nothing_and_the_next_one_works(
    database: Database, path: Path, operation: Callable[[sqlite3.Connection], None], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        await database.write(operation)

    await database.write(insert("next"))
    assert names(path) == {"next"}


async def test_neighbours_see_each_other_in_the_order_they_were_handed_in(database: Database) -> None:
    async with Gate(database):
        writes = [database.write(insert("a")), database.write(insert("a")), database.write(insert("b"))]
    results = await asyncio.gather(*writes, return_exceptions=True)

    assert results[0] == 1
    assert isinstance(results[1], sqlite3.IntegrityError)
    assert results[2] == 2


async def test_a_write_nobody_waits_for_any_more_still_happens(database: Database, path: Path) -> None:
    async with Gate(database):
        abandoned = database.write(insert("abandoned"))
        kept = database.write(insert("kept"))
        abandoned.cancel()
    await kept

    assert abandoned.cancelled()
    assert names(path) == {"abandoned", "kept"}


async def test_a_cancelled_caller_harms_no_other(database: Database) -> None:
    async def write(name: str) -> None:
        await database.write(insert(name))

    async with Gate(database):
        tasks = [asyncio.create_task(write(f"n{number}")) for number in range(10)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 5


async def test_what_was_handed_in_before_the_end_is_written(path: Path) -> None:
    async with Database(path) as database:
        writes = [database.write(insert(f"n{number}")) for number in range(2000)]

    assert all(write.done() and write.exception() is None for write in writes)
    assert len(names(path)) == 2000


async def test_after_the_end_reading_and_writing_fail_by_name(path: Path) -> None:
    async with Database(path) as database:
        pass

    with pytest.raises(DatabaseUnavailable, match=r"test\.db is closed"):
        await database.write(insert("late"))
    with pytest.raises(DatabaseUnavailable, match=r"test\.db is closed"):
        await database.read(lambda connection: None)


async def test_no_thread_is_left_behind(path: Path) -> None:
    async with Database(path) as database:
        await database.read(lambda connection: None)
        assert any(thread.name.startswith("sqlite-") for thread in threading.enumerate())

    assert not any(thread.name.startswith("sqlite-") for thread in threading.enumerate())
