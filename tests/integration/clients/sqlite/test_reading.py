"""Connections that read, beside the writer."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from outpost.clients.sqlite import Database, DatabaseUnavailable
from tests.integration.clients.sqlite.outside import connect, insert, names


@pytest.mark.parametrize(
    "statement", ["INSERT INTO items (name) VALUES ('x')", "DROP TABLE items", "DELETE FROM items"]
)
async def test_a_reader_cannot_write(database: Database, path: Path, statement: str) -> None:
    await database.write(insert("kept"))

    with pytest.raises(DatabaseUnavailable, match="readonly"):
        await database.read(lambda connection: connection.execute(statement))
    assert names(path) == {"kept"}


async def test_reading_does_not_wait_for_the_writer(database: Database) -> None:
    release = threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO items (name) VALUES ('unfinished')")
        assert release.wait(10)

    writing = database.write(hold)
    counts = [await database.read(lambda c: c.execute("SELECT count(*) FROM items").fetchone()) for _ in range(5)]
    release.set()
    await writing

    assert counts == [(0,)] * 5


async def test_reads_run_beside_each_other(database: Database) -> None:
    together = threading.Barrier(4, timeout=10)

    await asyncio.gather(*(database.read(lambda connection: together.wait()) for _ in range(4)))


async def test_a_fault_in_a_query_is_the_readers_alone(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.read(lambda connection: connection.execute("SELECT * FROM nowhere"))

    assert await database.read(lambda connection: connection.execute("SELECT 1").fetchone()) == (1,)


async def test_a_query_that_runs_out_of_rows_is_an_error_and_no_endless_wait(database: Database) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await database.read(lambda connection: next(connection.execute("SELECT name FROM items")))


async def test_a_read_cancelled_is_over_for_its_caller_and_harms_no_other(database: Database) -> None:
    release = threading.Event()
    slow = asyncio.create_task(database.read(lambda connection: release.wait(10)))
    await asyncio.sleep(0)
    slow.cancel()
    await asyncio.wait([slow])

    assert slow.cancelled()
    assert await database.read(lambda connection: connection.execute("SELECT 1").fetchone()) == (1,)
    release.set()


async def test_what_another_connection_wrote_is_seen(database: Database, path: Path) -> None:
    with closing(connect(path)) as outside:
        outside.execute("INSERT INTO items (name) VALUES ('outside')")

    assert await database.read(lambda c: c.execute("SELECT name FROM items").fetchall()) == [("outside",)]
