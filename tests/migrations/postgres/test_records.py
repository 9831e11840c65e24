"""Databases of the original tool are recognised in whatever state it left them, and both records keep in step."""

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import DataIsNewer, DecisionNeeded, Refused
from outpost.migrations.sql.postgres.dialect import postgres_scripts
from outpost.migrations.sql.script import parse
from tests.migrations.postgres.databases import PostgresDatabase

NEWEST = 10
TABLES = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"


async def _states(database: PostgresDatabase) -> list[str]:
    return [state.state for state in await database.coordinator().states()]


async def test_reading_an_empty_database_leaves_it_empty(database: PostgresDatabase) -> None:
    coordinator = database.coordinator()

    assert {state.state for state in await coordinator.states()} == {"pending"}
    assert len((await coordinator.plan()).steps) == NEWEST
    await coordinator.status()
    await coordinator.doctor()
    await coordinator.history()
    await coordinator.cleanup_plan()
    await coordinator.unlock()
    assert await database.rows(TABLES) == []


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
async def test_a_database_of_the_reference_is_adopted_where_it_stands(database: PostgresDatabase, version: int) -> None:
    await database.as_the_reference_left_it(version)

    states = await database.coordinator().states()

    assert [state.state for state in states] == ["applied"] * version + ["pending"] * (NEWEST - version)
    assert {state.applied_at for state in states} == {None}


async def test_both_records_say_the_same_after_every_file(database: PostgresDatabase) -> None:
    for version in range(1, NEWEST + 1):
        await database.apply(version)

        assert await database.rows("SELECT version, dirty FROM schema_migrations") == [(version, False)]
        assert (
            await database.value("SELECT max(number) FROM outpost_migrations WHERE applied_at IS NOT NULL") == version
        )


async def test_a_migration_of_ours_looks_unfinished_to_the_reference_until_it_is_finished(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.apply(4)

    await database.apply_until("postgres.batch", 1, monkeypatch)

    assert await database.rows("SELECT version, dirty FROM schema_migrations") == [(5, True)]
    assert (await _states(database))[3:6] == ["applied", "incomplete", "pending"]


@pytest.mark.parametrize("version", [1, 5, 10])
async def test_a_failed_file_of_the_reference_is_never_applied_and_runs_again(
    database: PostgresDatabase, version: int
) -> None:
    """Its files are atomic, so all that is left of a failed one is the mark."""
    await database.as_the_reference_left_it(max(version - 1, 1))
    if version == 1:
        await database.execute("DROP TABLE events, deliveries")
    await database.execute(f"UPDATE schema_migrations SET version = {version}, dirty = true")

    (state,) = [state for state in await database.coordinator().states() if state.state == "dirty"]
    applied = await database.apply()

    assert state.id.startswith(f"postgres/{version:06d}")
    assert "runs it again" in state.detail
    assert len(applied) == NEWEST - version + 1
    assert set(await _states(database)) == {"applied"}


async def test_a_file_that_ended_before_it_was_recorded_is_only_recorded(database: PostgresDatabase) -> None:
    await database.as_the_reference_left_it(8)
    await database.execute("UPDATE schema_migrations SET dirty = true")

    state = (await database.coordinator().states())[7]
    await database.apply(8)

    assert (state.state, "records it" in state.detail) == ("dirty", True)
    assert await database.rows("SELECT version, dirty FROM schema_migrations") == [(8, False)]


async def test_a_half_mended_schema_needs_a_person(database: PostgresDatabase) -> None:
    await database.as_the_reference_left_it(7)
    await database.execute(
        "UPDATE schema_migrations SET version = 8, dirty = true",
        "ALTER TABLE attempts ADD COLUMN destination_type text NOT NULL DEFAULT ''",
    )

    with pytest.raises(DecisionNeeded, match=r"column attempts\.destination_type") as failure:
        await database.apply()

    assert failure.value.exit_code == 14
    assert (await _states(database))[7] == "dirty"
    assert not all(check.ok for check in (await database.coordinator().doctor()).checks)


async def test_a_number_that_was_set_back_is_in_doubt_until_the_tables_have_decided(
    database: PostgresDatabase,
) -> None:
    await database.apply()
    await database.execute("UPDATE schema_migrations SET version = 9")

    assert (await _states(database))[8:] == ["applied", "in_doubt"]
    assert await database.apply() == ["postgres/000010_rename_attempts_pkey"]
    assert set(await _states(database)) == {"applied"}


@pytest.mark.parametrize("dirty", [False, True])
async def test_a_newer_database_is_left_alone(database: PostgresDatabase, dirty: bool) -> None:
    await database.as_the_reference_left_it(10)
    await database.execute(f"UPDATE schema_migrations SET version = 11, dirty = {dirty}")

    with pytest.raises(DataIsNewer, match="postgres/000011") as failure:
        await database.apply()

    assert failure.value.exit_code == 18


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "\nALTER TABLE deliveries\n    ADD COLUMN other text;",
            "first in line 2: ALTER TABLE deliveries ADD COLUMN other",
        ),
        ("{}\nDROP TABLE events;", "it had 1 statements, and has 2 here"),
    ],
)
async def test_an_edited_file_stops_everything_and_the_edit_is_named(
    database: PostgresDatabase, text: str, named: str
) -> None:
    await database.apply(2)
    scripts = list(postgres_scripts())
    kept = f"{scripts[1].statements[0].text};"
    scripts[1] = parse("000002_delivery_response.sql", text.replace("{}", kept))

    for command in (database.coordinator(scripts=scripts).plan(), database.apply(scripts=scripts)):
        with pytest.raises(DecisionNeeded, match="another text") as failure:
            await command
        assert named in str(failure.value)


async def test_tables_of_another_program_are_refused(database: PostgresDatabase) -> None:
    await database.execute("CREATE TABLE events (name text)")

    with pytest.raises(Refused, match="another program") as failure:
        await database.apply()

    assert failure.value.exit_code == 16
    assert await database.rows(TABLES) == [("events",)]


async def test_applying_again_does_nothing_and_takes_no_lock(database: PostgresDatabase) -> None:
    await database.apply()
    fence = await database.value("SELECT fence FROM outpost_migration_lease")

    assert await database.apply() == []
    assert await database.value("SELECT fence FROM outpost_migration_lease") == fence


async def test_a_failing_statement_is_named_by_file_line_and_column(database: PostgresDatabase) -> None:
    await database.apply(9)
    scripts = list(postgres_scripts())
    scripts[9] = parse("000010_broken.sql", "-- Broken.\nSELECT 1;\n\nALTER TABLE attempts\n    ADD COLUMN x nonsense;")

    with pytest.raises(Exception, match=r'000010_broken.sql, line 5, column 18: type "nonsense"') as failure:
        await database.coordinator(scripts=scripts).apply(ApplyRequest())

    assert database.target.password not in str(failure.value)
    assert (await _states(database))[9] == "pending"
    (*_, run) = await database.coordinator().history()
    assert run.outcome == "failed"
