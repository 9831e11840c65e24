"""Files that cannot be opened, read or written: which error says so, and that work goes on when they can again."""

import asyncio
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from outpost.clients.sqlite import Database, DatabaseCorrupted, DatabaseUnavailable
from outpost.clients.sqlite import database as module
from tests.integration.clients.sqlite.outside import another_process, connect, insert, names


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for another process's lock a moment only."""
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0.05)


async def _open(path: Path) -> None:
    async with Database(path):
        pass


async def test_a_missing_file_is_unavailable_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _open(tmp_path / "missing.db")

    assert list(tmp_path.iterdir()) == []


async def test_a_file_in_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _open(tmp_path / "missing" / "test.db")


async def test_a_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _open(tmp_path)


@pytest.mark.parametrize("content", [b"this is no database, but text" * 100, b"\x00" * 8192])
async def test_a_file_that_is_no_database_is_corrupted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "test.db"
    path.write_bytes(content)

    with pytest.raises(DatabaseCorrupted):
        await _open(path)
    assert path.read_bytes() == content


async def test_a_damaged_page_is_corrupted_for_who_meets_it(path: Path) -> None:
    with closing(connect(path)) as connection:
        connection.executemany("INSERT INTO items (name) VALUES (?)", [(f"name {n}" * 20,) for n in range(2000)])
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged = bytearray(path.read_bytes())
    damaged[4096 * 2 :] = b"\xff" * (len(damaged) - 4096 * 2)
    path.write_bytes(damaged)

    async with Database(path) as database:
        with pytest.raises(DatabaseCorrupted):
            await database.read(lambda connection: connection.execute("SELECT name FROM items").fetchall())
        with pytest.raises(DatabaseCorrupted):
            await database.write(insert("next"))


async def test_a_file_in_another_journal_mode_is_put_right(tmp_path: Path) -> None:
    """As it is after a dump was read back: readers would otherwise hold up the writer."""
    path = tmp_path / "restored.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE items (key INTEGER PRIMARY KEY, name TEXT)")

    async with Database(path) as database:
        await database.write(insert("one"))
    with closing(connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


_HOLD_THE_WRITE_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.mark.usefixtures("impatient")
async def test_while_another_process_writes_writing_is_unavailable_and_reading_works(path: Path) -> None:
    async with Database(path) as database:
        await database.write(insert("before"))
        with another_process(_HOLD_THE_WRITE_LOCK, path):
            with pytest.raises(DatabaseUnavailable, match="locked"):
                await database.write(insert("meanwhile"))
            assert await database.read(lambda c: c.execute("SELECT count(*) FROM items").fetchone()) == (1,)

        await database.write(insert("after"))
    assert names(path) == {"before", "after"}


@pytest.mark.usefixtures("impatient")
async def test_a_locked_file_keeps_a_whole_group_waiting_once(path: Path) -> None:
    async with Database(path) as database:
        with another_process(_HOLD_THE_WRITE_LOCK, path):
            loop = asyncio.get_running_loop()
            started = loop.time()
            writes = [database.write(insert(f"n{number}")) for number in range(300)]
            results = await asyncio.gather(*writes, return_exceptions=True)

            assert all(isinstance(result, DatabaseUnavailable) for result in results)
            assert len(set(map(id, results))) == 300  # raised in many places, so no two share one
            assert loop.time() - started < 300 * 0.05 / 5


async def test_a_lock_that_is_freed_in_time_is_waited_for(path: Path) -> None:
    async with Database(path) as database:
        with another_process(_HOLD_THE_WRITE_LOCK, path) as holder:
            write = database.write(insert("patient"))
            holder.kill()
            await write
    assert names(path) == {"patient"}


def _fill(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO items (name) VALUES (hex(randomblob(100000)))")


async def test_a_full_database_is_unavailable_and_works_again_when_there_is_room(path: Path) -> None:
    async with Database(path) as database:
        (pages,) = await database.write(lambda c: c.execute("PRAGMA page_count").fetchone())
        await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 1}").fetchone())
        with pytest.raises(DatabaseUnavailable, match="full"):
            await database.write(_fill)
        assert await database.read(lambda c: c.execute("SELECT count(*) FROM items").fetchone()) == (0,)

        await database.write(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
        await database.write(_fill)
        assert await database.read(lambda c: c.execute("SELECT count(*) FROM items").fetchone()) == (1,)


async def test_what_still_fits_a_full_database_is_stored(path: Path) -> None:
    async with Database(path) as database:
        (pages,) = await database.write(lambda c: c.execute("PRAGMA page_count").fetchone())
        await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 1}").fetchone())
        results = await asyncio.gather(
            database.write(insert("small")),
            database.write(_fill),
            database.write(insert("other")),
            return_exceptions=True,
        )

    assert [type(result) for result in results] == [int, DatabaseUnavailable, int]
    assert names(path) == {"small", "other"}


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Let no file of this process grow past a size, which SQLite meets as an I/O error or a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.usefixtures("small_disk")
async def test_a_log_that_cannot_grow_makes_writes_unavailable_until_it_can(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with Database(path) as database:
        await database.write(insert("before"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
        results = await asyncio.gather(*(database.write(_fill) for _ in range(10)), return_exceptions=True)
        assert DatabaseUnavailable in map(type, results)
        stored = await database.read(lambda c: c.execute("SELECT count(*) FROM items").fetchone())

        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await database.write(insert("after"))
        assert await database.read(lambda c: c.execute("SELECT count(*) FROM items").fetchone()) == (stored[0] + 1,)
    assert {"before", "after"} <= names(path)


_WRITE_AND_TELL = """
import asyncio, sys
from pathlib import Path
from outpost.clients.sqlite import Database

async def main():
    async with Database(Path(sys.argv[1])) as database:
        print("ready", flush=True)
        for number in range(1_000_000):
            await database.write(lambda c: c.execute("INSERT INTO items (name) VALUES (?)", (f"n{number}",)))
            print(f"n{number}", flush=True)

asyncio.run(main())
"""


def test_what_was_reported_as_written_survives_a_kill(path: Path) -> None:
    with another_process(_WRITE_AND_TELL, path) as process:
        assert process.stdout is not None
        told = {process.stdout.readline().strip() for _ in range(50)}
        process.kill()
        told |= {line.strip() for line in process.stdout if line.endswith("\n")}

    assert told <= names(path)


def test_a_program_that_ends_without_closing_ends(path: Path) -> None:
    program = _WRITE_AND_TELL.replace("        for number", "        sys.exit(0)\n        for number")
    done = subprocess.run([sys.executable, "-c", program, str(path)], timeout=30, check=False)

    assert done.returncode == 0
