"""The write-ahead log: bounded under load, empty at the end."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from outpost.clients.sqlite import Database, checkpoint
from tests.integration.clients.sqlite.outside import connect, insert, names

_KIB = 1024
_LARGEST_TRANSACTION = 256 * _KIB


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits a thousandth of the usual, so that a test reaches them."""
    monkeypatch.setattr(checkpoint, "_ROWS_BETWEEN", 100)
    monkeypatch.setattr(checkpoint, "_LOG_KEPT", 256 * _KIB)
    monkeypatch.setattr(checkpoint, "_GROWTH_BETWEEN", 256 * _KIB)
    monkeypatch.setattr(checkpoint, "_LOG_LIMIT", 1024 * _KIB)
    monkeypatch.setattr(checkpoint, "_WAIT_FOR_READERS_MS", 20)


def _log_size(path: Path) -> int:
    log = path.with_name(path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def _many_small(connection: sqlite3.Connection) -> None:
    connection.executemany("INSERT INTO items (name) VALUES (hex(randomblob(?)))", [(20,)] * 20)


def _one_large(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO items (name) VALUES (hex(randomblob(40000)))")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("operation", [_many_small, _one_large])
async def test_it_stays_bounded_under_constant_load(
    path: Path, operation: Callable[[sqlite3.Connection], None]
) -> None:
    async with Database(path) as database:
        largest = 0
        for _ in range(400):
            await database.write(operation)
            largest = max(largest, _log_size(path))

    assert largest < 1024 * _KIB + _LARGEST_TRANSACTION


@pytest.mark.usefixtures("small")
async def test_under_constant_load_it_starts_again_long_before_the_limit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each of its bytes makes the file longer, which costs the file system more than writing over them."""
    monkeypatch.setattr(checkpoint, "_LOG_LIMIT", 1024 * 1024 * _KIB)
    async with Database(path) as database:

        async def write() -> None:
            for _ in range(100):
                await database.write(_one_large)

        await asyncio.gather(*(write() for _ in range(8)))  # so that one always waits while another commits

        assert path.stat().st_size > 48 * 1024 * _KIB
        assert _log_size(path) < 16 * 1024 * _KIB


@pytest.mark.usefixtures("small")
async def test_a_reader_that_takes_long_does_not_stop_the_writer(path: Path) -> None:
    """The log grows while it reads, and is cut when it has ended."""
    with closing(connect(path)) as reader:
        async with Database(path) as database:
            await database.write(insert("seen"))
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM items").fetchone() == (1,)
            for _ in range(60):
                await database.write(_one_large)
            assert reader.execute("SELECT count(*) FROM items").fetchone() == (1,)
            reader.execute("COMMIT")

            assert _log_size(path) > 8192 * _KIB
            for _ in range(200):
                await database.write(_one_large)
            assert _log_size(path) < 1024 * _KIB + _LARGEST_TRANSACTION


async def test_it_is_empty_after_closing(path: Path) -> None:
    with closing(connect(path)) as outside:  # so that the last connection to close is not the database's
        outside.execute("SELECT * FROM items").fetchall()
        async with Database(path) as database:
            for number in range(50):
                await database.write(insert(f"n{number}"))
            assert _log_size(path) > 0

        assert _log_size(path) == 0
        assert len(names(path)) == 50


async def test_it_is_kept_if_another_program_still_reads_it(path: Path) -> None:
    with closing(connect(path)) as reader:
        async with Database(path) as database:
            database_connection_timeout = "PRAGMA busy_timeout = 20"
            await database.write(lambda connection: connection.execute(database_connection_timeout).fetchone())
            await database.write(insert("one"))
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM items").fetchall()
            await database.write(insert("two"))

        assert names(path) == {"one", "two"}


class _Failing:
    """A connection that answers checkpoints with I/O errors and does all else."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.failed = threading.Event()

    def execute(self, statement: str) -> sqlite3.Cursor:
        if "wal_checkpoint" in statement:
            self.failed.set()
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(statement)

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes


@pytest.mark.usefixtures("small")
async def test_a_checkpoint_that_fails_does_not_end_the_writer(path: Path) -> None:
    async with Database(path) as database:
        failing = _Failing(database._checkpointer._writer)
        database._checkpointer._writer = failing  # type: ignore[assignment]
        while not failing.failed.is_set():
            await database.write(_one_large)
        await database.write(insert("after"))

    assert "after" in names(path)
