"""The line of the embedded profile's file, driven as the commands drive it."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from outpost.clients.sqlite import FileLock
from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.errors import DataIsNewer, DecisionNeeded, LeaseLost, MigrationError, Refused, Unreachable
from outpost.migrations.lease import Timings
from outpost.migrations.line import VerifyRequest
from outpost.migrations.sql.line import SqlLine
from outpost.migrations.sql.script import parse
from outpost.migrations.sql.sqlite.dialect import SQLiteDialect, sqlite_line, sqlite_scripts
from outpost.migrations.sql.sqlite.files import LocalFile

INITIAL = "sqlite/000001_initial"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outpost.db"


def _coordinator(path: Path, *texts: str) -> Coordinator:
    """Over the real scripts, or over scripts of the test's own."""
    if not texts:
        return Coordinator([sqlite_line(path)])
    scripts = [parse(f"{number:06d}_step.sql", text) for number, text in enumerate(texts, start=1)]
    return Coordinator([SqlLine(SQLiteDialect(LocalFile(path), Timings()), scripts)])


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def _change(path: Path, statement: str, *parameters: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, parameters)


async def test_reading_a_missing_file_leaves_it_missing(path: Path) -> None:
    coordinator = _coordinator(path)

    assert [state.id for state in await coordinator.pending()] == [INITIAL]
    assert [step.id for step in (await coordinator.plan()).steps] == [INITIAL]
    await coordinator.status()
    await coordinator.verify(VerifyRequest())
    await coordinator.doctor()
    await coordinator.unlock()
    assert await coordinator.history() == []
    assert os.listdir(path.parent) == []


async def test_applying_makes_the_tables_records_it_and_says_so(path: Path) -> None:
    coordinator = _coordinator(path)

    applied = await coordinator.apply(ApplyRequest())

    (state,) = applied.steps
    assert (state.id, state.state) == (INITIAL, "applied")
    assert state.applied_at is not None
    assert {"tenants", "events", "tasks", "attempts"} <= _tables(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await coordinator.pending() == []
    assert (await coordinator.verify(VerifyRequest())).ok
    (run,) = await coordinator.history()
    assert (run.command, run.outcome, run.migrations, run.fence) == ("apply", "ok", [INITIAL], 1)


async def test_applying_again_does_nothing_and_takes_no_lock(path: Path) -> None:
    coordinator = _coordinator(path)
    await coordinator.apply(ApplyRequest())
    before = path.read_bytes()

    assert (await coordinator.apply(ApplyRequest())).steps == []

    assert path.read_bytes() == before


async def test_the_lock_is_free_after_a_run_and_after_a_failed_one(path: Path) -> None:
    coordinator = _coordinator(path, "CREATE TABLE a (b); CREATE TABLE a (b);")

    with pytest.raises(MigrationError):
        await coordinator.apply(ApplyRequest())

    (line,) = coordinator.lines
    assert line.lease is not None
    assert await line.lease.holder() is None


async def test_a_failing_statement_rolls_its_file_back_and_keeps_those_before(path: Path) -> None:
    coordinator = _coordinator(path, "CREATE TABLE a (b);", "CREATE TABLE c (d);\nCREATE TABLE a (b);")

    with pytest.raises(MigrationError, match=r"000002_step\.sql, line 2: table a already exists") as failure:
        await coordinator.apply(ApplyRequest())

    assert failure.value.exit_code == 13
    assert "outpost migrate apply" in str(failure.value)
    assert {"a"} == _tables(path) & {"a", "c"}
    assert [state.state for state in await coordinator.states()] == ["applied", "pending"]
    (run,) = await coordinator.history()
    assert run.outcome == "failed"


async def test_it_stops_after_the_migration_that_was_named(path: Path) -> None:
    coordinator = _coordinator(path, "CREATE TABLE a (b);", "CREATE TABLE c (d);")

    applied = await coordinator.apply(ApplyRequest(until="sqlite/000001_step"))

    assert [state.id for state in applied.steps] == ["sqlite/000001_step"]
    assert len(await coordinator.pending()) == 1


async def test_an_edited_file_stops_everything_with_a_decision(path: Path) -> None:
    await _coordinator(path, "CREATE TABLE a (b);").apply(ApplyRequest())

    with pytest.raises(DecisionNeeded, match="another text") as failure:
        await _coordinator(path, "CREATE TABLE a (c);").plan()

    assert failure.value.exit_code == 14


async def test_newer_data_is_left_alone_and_named(path: Path) -> None:
    await _coordinator(path, "CREATE TABLE a (b);", "CREATE TABLE c (d);").apply(ApplyRequest())

    with pytest.raises(DataIsNewer, match="sqlite/000002") as failure:
        await _coordinator(path, "CREATE TABLE a (b);").pending()

    assert failure.value.exit_code == 18


async def test_a_database_of_another_program_is_refused_and_untouched(path: Path) -> None:
    _change(path, "CREATE TABLE theirs (a)")
    before = path.read_bytes()

    with pytest.raises(Refused, match="another program") as failure:
        await _coordinator(path).apply(ApplyRequest())

    assert failure.value.exit_code == 16
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("this is not a database, but it is long enough to look at" * 20)

    with pytest.raises(Refused, match="restore it from a backup"):
        await _coordinator(path).pending()


async def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="is a folder; name a file"):
        await sqlite_line(tmp_path).states()


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"nowhere does not exist; create it first"):
        await _coordinator(tmp_path / "nowhere" / "outpost.db").apply(ApplyRequest())


async def test_a_running_server_keeps_its_database_from_being_migrated(path: Path) -> None:
    with FileLock(path), pytest.raises(Refused, match="a server that must be stopped"):
        await _coordinator(path).apply(ApplyRequest())

    assert [state.state for state in await _coordinator(path).states()] == ["pending"]


async def test_a_run_with_an_older_fence_writes_nothing(path: Path) -> None:
    line = sqlite_line(path)
    await Coordinator([line]).apply(ApplyRequest(until=INITIAL))
    coordinator = _coordinator(path)
    second = SqlLine(
        SQLiteDialect(LocalFile(path), Timings()),
        [*sqlite_scripts(), parse("000002_step.sql", "CREATE TABLE late (a);")],
    )
    await coordinator.unlock()

    async with Coordinator([second]).running("apply", ApplyRequest(), []) as run:
        _change(path, "UPDATE outpost_migration_lease SET fence = fence + 5")
        with pytest.raises(LeaseLost, match="fence"):
            await second.apply(run, until=None)

    assert "late" not in _tables(path)


async def test_a_changed_schema_is_a_difference(path: Path) -> None:
    coordinator = _coordinator(path)
    await coordinator.apply(ApplyRequest())
    _change(path, "DROP INDEX events_by_time")
    _change(path, "ALTER TABLE tenants ADD COLUMN extra TEXT")
    _change(path, "CREATE TABLE mine (a)")

    found = await coordinator.verify(VerifyRequest())

    assert not found.ok
    differences = [text for check in found.checks for text in check.differences]
    assert "index events_by_time is missing" in differences
    assert "table tenants differs from the migrations" in differences
    assert "table mine is not of the migrations" in differences
