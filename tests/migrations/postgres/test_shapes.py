"""What the files make, at every version, is what the original tool's made."""

import gzip
from importlib.resources import files

import pytest

from outpost.migrations.sql.postgres.shape import drift, shapes
from tests.migrations.postgres.databases import SNAPSHOTS, PostgresDatabase, without_comments
from tests.migrations.postgres.written_shapes import SHAPES, written_shapes

NEWEST = 10
REFERENCE = without_comments(gzip.decompress((SNAPSHOTS / "schema.sql.gz").read_bytes()).decode())


async def test_a_fresh_database_equals_the_reference_to_the_last_name(database: PostgresDatabase) -> None:
    applied = await database.apply()

    assert len(applied) == NEWEST
    assert database.dump() == REFERENCE


@pytest.mark.parametrize("version", range(1, NEWEST))
async def test_a_database_of_the_reference_at_any_version_ends_equal(database: PostgresDatabase, version: int) -> None:
    await database.as_the_reference_left_it(version)

    applied = await database.apply()

    assert len(applied) == NEWEST - version
    assert database.dump() == REFERENCE
    assert await database.rows("SELECT * FROM schema_migrations") == [(NEWEST, False)]


@pytest.mark.parametrize(("release", "version"), [("v0.5.1", 3), ("v0.12.0", 3), ("v1.1.0", 9)])
async def test_real_stores_have_the_shape_of_their_version_and_end_equal(
    database: PostgresDatabase, release: str, version: int
) -> None:
    await database.load(release)

    found = drift(await database.shape(), version)
    await database.apply()

    assert (found.missing, found.older, found.foreign) == ([], [], [])
    assert database.dump() == REFERENCE


async def test_the_snapshot_equals_what_the_files_make(database: PostgresDatabase) -> None:
    snapshot = files("outpost.migrations").joinpath("sql", "postgres", "schema.sql").read_text("utf-8")

    await database.execute(snapshot)

    off = drift(await database.shape(), NEWEST)
    assert (off.missing, off.older, off.foreign) == ([], [], [])


async def test_the_recorded_shapes_are_those_the_files_make(database: PostgresDatabase) -> None:
    """Write the file anew with: python -m tests.migrations.postgres.written_shapes"""
    assert await written_shapes(database) == SHAPES.read_text("utf-8")
    assert len(shapes()) == NEWEST + 1


async def test_partitions_of_the_operator_are_kept_with_their_rows_and_names(database: PostgresDatabase) -> None:
    await database.apply(4)
    await database.execute(
        "CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "CREATE TABLE deliveries_2025 PARTITION OF deliveries FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "CREATE TABLE index_2025 PARTITION OF event_delivery_index FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "INSERT INTO events VALUES ('e', 't', '', '2025-05-05', 'topic', true, '{\"a\": 1}', '{}')",
        "INSERT INTO deliveries VALUES ('d', 'e', 'des', 'success', '2025-05-05 00:00:01')",
    )
    await database.forget()

    await database.apply()

    off = drift(await database.shape(), NEWEST)
    assert (off.missing, off.older, off.foreign) == ([], [], [])
    assert await database.rows("SELECT id, matched_destination_ids FROM events_2025") == [("e", ["des"])]
    assert await database.rows("SELECT id, tenant_id, event_data FROM deliveries_2025") == [("d", "t", '{"a": 1}')]
    invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    assert await database.rows(invalid) == []
