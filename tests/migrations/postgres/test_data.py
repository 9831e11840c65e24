"""What becomes of real old data, row by row, against what the original tool made of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from outpost.migrations.line import VerifyRequest
from tests.migrations.postgres.databases import PostgresDatabase

RELEASES = ["v0.5.1", "v0.12.0", "v1.1.0"]
OLD_RELEASES = ["v0.5.1", "v0.12.0"]


@pytest.fixture
def reference(database: PostgresDatabase, postgres: Any) -> Any:
    with postgres.fresh_database() as url:
        yield PostgresDatabase(url)


@pytest.mark.parametrize("release", RELEASES)
async def test_every_attempt_equals_what_the_reference_made_of_it(
    database: PostgresDatabase, reference: PostgresDatabase, release: str
) -> None:
    await database.load(release)
    await reference.load(f"{release}-migrated")

    await database.apply()

    assert await database.records("attempts") == await reference.records("public.attempts")


@pytest.mark.parametrize("release", RELEASES)
async def test_every_event_equals_the_references_but_knows_its_destinations(
    database: PostgresDatabase, reference: PostgresDatabase, release: str
) -> None:
    await database.load(release)
    await reference.load(f"{release}-migrated")

    await database.apply()

    ours, theirs = await database.records("events"), await reference.records("public.events")
    if release == "v1.1.0":
        assert ours == theirs
    else:
        assert [_without_matches(event) for event in ours] == [_without_matches(event) for event in theirs]
        assert {len(event["matched_destination_ids"]) for event in theirs} == {0}
        for event in ours:
            query = "SELECT DISTINCT destination_id FROM attempts WHERE event_id = $1 AND tenant_id = $2"
            attempted = await database.rows(query, event["id"], event["tenant_id"])
            assert set(event["matched_destination_ids"]) >= {destination for (destination,) in attempted}


@pytest.mark.parametrize("release", OLD_RELEASES)
async def test_nothing_the_reference_destroys_is_lost(database: PostgresDatabase, release: str) -> None:
    await database.load(release)
    await database.execute(
        "INSERT INTO deliveries VALUES ('lost', 'no such event', 'des', 'failed', '2025-01-01', '500', '{\"a\": 1}')"
    )
    deliveries = await database.records("deliveries", "id")
    index = await database.records("event_delivery_index", "delivery_time, delivery_id")
    targets = await database.rows(
        "SELECT time, id, destination_id FROM events WHERE destination_id <> '' ORDER BY 1, 2"
    )

    await database.apply()

    attempts = {attempt["id"] for attempt in await database.records("attempts")}
    orphans = await database.records("outpost_kept_orphan_deliveries")
    assert {delivery["id"] for delivery in deliveries} == attempts | {"lost"}
    assert [(orphan["id"], orphan["code"], orphan["response_data"]) for orphan in orphans] == [
        ("lost", "500", {"a": 1})
    ]
    kept = await database.records("outpost_kept_event_delivery_index", "delivery_time, delivery_id")
    assert kept == [{**row, "manual": False, "attempt": 0} for row in index]
    assert targets
    assert await database.rows("SELECT * FROM outpost_kept_event_destinations ORDER BY 1, 2") == targets


async def test_an_event_matched_its_target_and_all_it_was_sent_to(database: PostgresDatabase) -> None:
    await database.apply(4)
    await database.execute(
        "INSERT INTO events VALUES ('one', 't', 'target', '2025-01-01', 'x', true, '{}', '{}')",
        "INSERT INTO events VALUES ('two', 't', '', '2025-01-02', 'x', true, '{}', '{}')",
        "INSERT INTO events VALUES ('none', 't', '', '2025-01-03', 'x', true, '{}', '{}')",
        "INSERT INTO deliveries SELECT 'd' || n, 'two', 'des_' || n % 2, 'failed', '2025-01-02'::timestamptz + "
        "n * interval '1 s' FROM generate_series(1, 4) AS n",
    )

    await database.apply()

    matched = await database.rows("SELECT id, matched_destination_ids FROM events ORDER BY time")
    assert matched == [("one", ["target"]), ("two", ["des_0", "des_1"]), ("none", [])]


async def test_of_events_that_share_an_id_the_index_table_knows_whose_a_delivery_is(
    database: PostgresDatabase,
) -> None:
    await database.apply(4)
    await database.execute(
        "INSERT INTO events VALUES ('same', 'alice', '', '2025-01-01', 'x', true, '{\"of\": \"alice\"}', '{}')",
        "INSERT INTO events VALUES ('same', 'bob', '', '2025-01-02', 'x', true, '{\"of\": \"bob\"}', '{}')",
        "INSERT INTO deliveries VALUES ('d', 'same', 'des', 'success', '2025-01-03')",
        "INSERT INTO event_delivery_index VALUES "
        "('same', 'whatever', 'alice', 'des', '2025-01-01', '2025-01-03', 'x', 'success')",
    )

    await database.apply()

    assert await database.rows("SELECT tenant_id, event_data FROM attempts") == [("alice", '{"of": "alice"}')]


async def test_without_it_the_last_event_before_the_delivery_is_chosen_else_the_first_after(
    database: PostgresDatabase,
) -> None:
    await database.apply(4)
    await database.execute(
        *[
            f"INSERT INTO events VALUES ('e', 't', '', '2025-01-0{day}', 'x', true, '{{}}', '{{}}')"
            for day in (2, 4, 6)
        ],
        *[f"INSERT INTO deliveries VALUES ('{day}', 'e', 'd', 'failed', '2025-01-0{day}')" for day in (1, 3, 4, 5, 9)],
    )

    await database.apply()

    chosen = await database.rows("SELECT id, extract(day FROM event_time)::int FROM attempts ORDER BY id")
    assert chosen == [("1", 2), ("3", 2), ("4", 4), ("5", 4), ("9", 6)]


@pytest.mark.parametrize("batches_done", [1, 2, 3])
async def test_what_an_old_server_writes_behind_the_batches_is_not_forgotten(
    database: PostgresDatabase, batches_done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.apply(4)
    await database.execute(
        "INSERT INTO events VALUES ('e', 't', 'des', '2025-01-01', 'x', true, '{}', '{}')",
        "INSERT INTO deliveries VALUES ('first', 'e', 'des', 'failed', '2025-01-02')",
    )
    await database.apply_until("postgres.batch", batches_done, monkeypatch)
    insert = "INSERT INTO deliveries (id, event_id, destination_id, status, time) VALUES "
    await database.execute(
        f"{insert} ('late', 'e', 'des', 'failed', '2024-01-01')",
        f"{insert} ('late orphan', 'nowhere', 'des', 'failed', '2024-01-01')",
    )

    await database.apply()

    assert await database.rows("SELECT id FROM attempts WHERE tenant_id = 't' ORDER BY id") == [("first",), ("late",)]
    assert await database.rows("SELECT id FROM outpost_kept_orphan_deliveries") == [("late orphan",)]


@pytest.mark.parametrize("release", RELEASES)
async def test_migrated_stores_verify_in_full(database: PostgresDatabase, release: str) -> None:
    await database.load(release)
    await database.apply()

    sampled = await database.coordinator().verify(VerifyRequest(sample=50, seed=1))
    full = await database.coordinator().verify(VerifyRequest(full=True))

    assert [check.differences for check in (*sampled.checks, *full.checks) if not check.ok] == []
    compared = next(check for check in full.checks if check.name.startswith("postgres: attempts"))
    assert compared.compared == await database.value("SELECT count(*) FROM attempts")


@pytest.mark.parametrize("release", RELEASES)
async def test_stores_that_the_reference_migrated_verify_too(database: PostgresDatabase, release: str) -> None:
    await database.load(f"{release}-migrated")

    found = await database.coordinator().verify(VerifyRequest(full=True))

    assert [check.differences for check in found.checks if not check.ok] == []


def _without_matches(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in event.items() if name != "matched_destination_ids"}
