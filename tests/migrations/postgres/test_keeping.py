"""`verify` finds what is wrong, and `cleanup` removes what was kept only when nothing is."""

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import Refused
from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import Check
from tests.migrations.postgres.databases import PostgresDatabase

KEPT = ["outpost_kept_event_delivery_index", "outpost_kept_event_destinations", "outpost_kept_orphan_deliveries"]
FULL = VerifyRequest(full=True)


@pytest.fixture
async def migrated(database: PostgresDatabase) -> PostgresDatabase:
    await database.load("v0.12.0")
    await database.execute("INSERT INTO deliveries VALUES ('lost', 'no such event', 'des', 'failed', '2025-01-01')")
    await database.apply()
    return database


async def _differences(database: PostgresDatabase, request: VerifyRequest = FULL) -> list[str]:
    found = await database.coordinator().verify(request)
    return [difference for check in found.checks for difference in check.differences]


async def test_a_changed_schema_is_named_and_an_index_of_the_operator_is_not_a_fault(
    database: PostgresDatabase,
) -> None:
    await database.apply()
    await database.execute("CREATE INDEX mine ON attempts (code)")
    assert await _differences(database) == []

    await database.execute(
        "DROP INDEX idx_attempts_id",
        "ALTER TABLE events ALTER COLUMN data DROP NOT NULL",
        "ALTER TABLE events ADD COLUMN extra text",
    )

    differences = await _differences(database)
    assert "missing: index idx_attempts_id on attempts btree (id)" in differences
    assert "missing: column events.data text NOT NULL" in differences
    assert "not of the migrations: column events.extra text" in differences


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("UPDATE attempts SET topic = 'other' WHERE id = $1", "topic"),
        ("UPDATE attempts SET event_data = '{\"no\": 1}' WHERE id = $1", "event_data"),
        ("UPDATE attempts SET event_metadata = '{\"no\": 1}' WHERE id = $1", "event_metadata"),
    ],
)
async def test_a_copy_that_differs_from_its_event_is_found(migrated: PostgresDatabase, damage: str, named: str) -> None:
    (id_,) = (await migrated.rows("SELECT id FROM attempts ORDER BY md5(id) LIMIT 1"))[0]
    await migrated.execute(damage.replace("$1", f"'{id_}'"))

    (difference,) = await _differences(migrated)

    assert difference.startswith(f"{id_} of ")
    assert difference.endswith(named)


async def test_an_event_that_forgot_a_destination_is_found(migrated: PostgresDatabase) -> None:
    (id_,) = (await migrated.rows("SELECT id FROM events WHERE matched_destination_ids <> '{}' LIMIT 1"))[0]
    await migrated.execute(f"UPDATE events SET matched_destination_ids = '{{}}' WHERE id = '{id_}'")

    (difference,) = await _differences(migrated)

    assert difference.startswith(f"{id_} of ")


async def test_a_kept_row_that_is_gone_is_found(migrated: PostgresDatabase) -> None:
    await migrated.execute("DELETE FROM outpost_kept_orphan_deliveries")

    (difference,) = await _differences(migrated)

    assert "moved 1 rows to outpost_kept_orphan_deliveries, which holds 0" in difference


async def test_a_sample_says_how_much_it_has_looked_at(migrated: PostgresDatabase) -> None:
    found = await migrated.coordinator().verify(VerifyRequest(sample=40, seed=7))

    (attempts,) = [check for check in found.checks if check.name.startswith("postgres: attempts")]
    assert 0 < attempts.compared <= 40
    assert attempts.population == await migrated.value("SELECT count(*) FROM attempts")


async def test_full_verification_has_a_digest_that_does_not_depend_on_the_order(
    migrated: PostgresDatabase,
) -> None:
    before = await _digest(migrated)
    await migrated.execute(
        "CREATE TABLE copy AS SELECT * FROM attempts",
        "TRUNCATE attempts",
        "INSERT INTO attempts SELECT * FROM copy ORDER BY md5(id)",
        "DROP TABLE copy",
    )
    moved = await _digest(migrated)
    await migrated.execute("UPDATE attempts SET code = '999' WHERE id = (SELECT min(id) FROM attempts)")

    assert moved == before
    assert await _digest(migrated) != before


async def _digest(database: PostgresDatabase) -> str:
    found = await database.coordinator().verify(FULL)
    (attempts,) = [check for check in found.checks if check.name.startswith("postgres: attempts")]
    return attempts.note


async def test_what_is_kept_is_listed_with_its_size(migrated: PostgresDatabase) -> None:
    items = await migrated.coordinator().cleanup_plan()

    assert [item.what for item in items] == KEPT
    assert items[0].count == await migrated.value(f"SELECT count(*) FROM {KEPT[0]}")
    assert all(item.bytes for item in items)


async def test_cleanup_wants_a_full_clean_verification_and_a_day(migrated: PostgresDatabase) -> None:
    coordinator = migrated.coordinator()

    with pytest.raises(Refused, match="verify --full"):
        await coordinator.cleanup(ApplyRequest(), force=False)
    await coordinator.verify(VerifyRequest())
    with pytest.raises(Refused, match="verify --full"):
        await coordinator.cleanup(ApplyRequest(), force=False)
    await coordinator.verify(FULL)
    with pytest.raises(Refused, match="less than a day old"):
        await coordinator.cleanup(ApplyRequest(), force=False)
    await migrated.execute("UPDATE outpost_migrations SET applied_at = applied_at - interval '25 h'")
    removed = await coordinator.cleanup(ApplyRequest(), force=False)

    assert [item.what for item in removed] == KEPT
    assert await coordinator.cleanup_plan() == []
    outcomes = [(run.command, run.outcome) for run in await coordinator.history()]
    assert ("verify --full", "ok") in outcomes
    assert outcomes[-1] == ("cleanup", "ok")


async def test_a_verification_that_found_differences_allows_no_cleanup(migrated: PostgresDatabase) -> None:
    await migrated.execute("UPDATE outpost_migrations SET applied_at = applied_at - interval '25 h'")
    await migrated.execute("UPDATE attempts SET topic = 'other' WHERE id = (SELECT min(id) FROM attempts)")
    coordinator = migrated.coordinator()
    await coordinator.verify(FULL)

    with pytest.raises(Refused, match="verify --full"):
        await coordinator.cleanup(ApplyRequest(), force=False)


async def test_after_a_forced_cleanup_verify_says_what_it_cannot_compare_any_more(
    migrated: PostgresDatabase,
) -> None:
    coordinator = migrated.coordinator()

    await coordinator.cleanup(ApplyRequest(), force=True)
    found = await coordinator.verify(FULL)

    assert found.ok
    notes = {check.name: check.note for check in found.checks if _is_kept(check)}
    assert notes["postgres: outpost_kept_orphan_deliveries"] == (
        "1 rows were removed by `cleanup`; they can no longer be compared"
    )


def _is_kept(check: Check) -> bool:
    return check.name.startswith("postgres: outpost_kept_")
