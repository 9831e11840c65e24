"""The texts of `outpost migrate`."""

from datetime import UTC, datetime

import msgspec
import pytest

from outpost.cli import migrate_output as output
from outpost.migrations.report import (
    Applied,
    Books,
    Check,
    CleanupItem,
    Holder,
    LineStatus,
    Listing,
    MigrationState,
    Plan,
    PlannedStep,
    Progress,
    Quarantined,
    Status,
    Verification,
)
from outpost.migrations.steering import Steering

HOLDER = Holder(
    store="redis",
    host="api-7f9c",
    pid=1,
    user="outpost",
    version="1.4.0",
    run="run_1",
    fence=42,
    heartbeat_age_seconds=3,
    expires_in_seconds=3597,
)
PROGRESS = Progress(
    store="redis",
    migration="002_timestamps",
    done=48_900_000,
    total=79_900_000,
    per_second=71_000,
    batch=40,
    server_ms=1.1,
    checkpoint_age_seconds=3,
)


def test_progress_is_one_line() -> None:
    assert output.progress_line(PROGRESS) == (
        "redis  002_timestamps  61.2%  48.9M/79.9M  71k/s  eta 7m17s  batch 40  server 1.1ms  throttled: no  "
        "checkpoint 3.0s ago"
    )


def test_a_step_without_figures_is_named_with_the_time_it_has_taken() -> None:
    step = Progress(store="postgres", migration="000006_x", step=6, steps=10, step_seconds=9)
    paused = msgspec.structs.replace(step, throttled="paused")

    assert output.progress_line(step, age_seconds=3) == "postgres  000006_x  step 6 of 10, since 12s"
    assert output.progress_line(paused) == "postgres  000006_x  step 6 of 10, since 9.0s  paused"


def test_a_step_with_figures_shows_both() -> None:
    step = msgspec.structs.replace(PROGRESS, store="postgres", step=5, steps=10, step_seconds=70)

    assert "  step 5 of 10, since 1m10s  61.2%  " in output.progress_line(step)


def test_who_waits_for_a_paused_run_is_told_what_ends_the_pause() -> None:
    holder = msgspec.structs.replace(HOLDER, steering=Steering(paused=True))

    assert output.waiting_line(holder).endswith(": paused; to go on, run: outpost migrate resume")


def test_the_status_shows_the_holder_its_work_and_the_books() -> None:
    status = Status(
        lines=[
            LineStatus(
                line="redis",
                family="redis",
                target="redis.internal:6379",
                migrations=[
                    MigrationState(id="redis/001_hash_tags", state="applied"),
                    MigrationState(id="redis/002_timestamps", state="running", detail="61.2%"),
                ],
                holder=Holder(
                    store="redis",
                    host="api-7f9c",
                    pid=1,
                    user="outpost",
                    version="1.4.0",
                    fence=42,
                    heartbeat_age_seconds=3,
                    progress=PROGRESS,
                ),
                books=[Books(migration="002_timestamps", matched=10, migrated=6, already=3, quarantined=1)],
                quarantined=1,
                preserved="31.4 GB of legacy keys",
            )
        ]
    )

    text = output.status(status)

    assert (
        "Lock      redis: held by api-7f9c (pid 1, user outpost, outpost 1.4.0), fence 42, heartbeat 3 s ago: ALIVE"
        in text
    )
    assert "Working   redis  002_timestamps  61.2%" in text
    assert "redis     1 of 2 applied   redis.internal:6379" in text
    assert "Pending   redis/002_timestamps  running 61.2%" in text
    assert "matched 10 = migrated 6 + already 3 + vanished 0 + quarantined 1   ok" in text
    assert "Quarantined 1" in text
    assert "Preserved old data: 31.4 GB of legacy keys (cleanup not run)" in text


@pytest.mark.parametrize(
    ("steering", "row"),
    [
        (Steering(paused=True), "paused, with the latency budget it began with"),
        (Steering(max_latency_ms=2), "not paused, with a latency budget of 2 ms"),
        (Steering(paused=True, max_latency_ms=2.5), "paused, with a latency budget of 2.5 ms"),
    ],
)
def test_the_status_shows_whatever_is_asked_of_the_run(steering: Steering, row: str) -> None:
    line = LineStatus(
        line="redis",
        family="redis",
        target="",
        migrations=[],
        holder=msgspec.structs.replace(HOLDER, steering=steering),
    )

    assert f"Asked     redis: {row}" in output.status(Status(lines=[line])).splitlines()
    assert output.steered(steering) == f"From its next heartbeat on the run is {row}."


def test_a_status_without_word_for_the_run_has_no_row_for_it() -> None:
    line = LineStatus(line="redis", family="redis", target="", migrations=[], holder=HOLDER)

    assert "Asked" not in output.status(Status(lines=[line]))


def test_word_that_nobody_hears_is_said_to_have_changed_nothing() -> None:
    assert output.steered(None) == "No run of this program works now; nothing was changed."


def test_books_that_do_not_balance_shout() -> None:
    line = LineStatus(
        line="redis", family="redis", target="", migrations=[], books=[Books(migration="m", matched=10, migrated=9)]
    )

    assert "DO NOT BALANCE" in output.status(Status(lines=[line]))


def test_a_free_lock_is_said_to_be_free() -> None:
    assert output.status(Status(lines=[])) == "Lock      free"


def test_the_lock_says_when_it_ends_and_who_takes_over_a_stale_one() -> None:
    alive = Holder(store="redis", host="api", expires_in_seconds=3597)
    stale = Holder(store="redis", host="api", expires_in_seconds=3000, heartbeat_age_seconds=600, alive=False)

    assert output.lock(alive).endswith("ALIVE, expires in 59m57s")
    assert output.lock(stale).endswith("STALE: the next `apply` takes over")


def test_the_question_before_unlocking_does_not_promise_to_stop_another_program() -> None:
    assert "stops at once" in output.revoking([Holder(store="redis", host="api")])
    assert "cannot be stopped" in output.revoking([Holder(store="redis", foreign=True)])


def test_long_names_stay_apart_from_what_follows_them() -> None:
    line = LineStatus(line="clickhouse", family="sql", target="here", migrations=[])
    state = MigrationState(id="clickhouse/000002_matched_destination_ids", state="applied", host="db1")

    assert "clickhouse 0 of 0 applied" in output.status(Status(lines=[line]))
    assert f"{state.id}  db1" in output.list_(Listing(migrations=[state]))


def test_a_finding_is_wrong_and_no_difference_and_the_sum_is_said() -> None:
    fine = Check(name="redis: role")
    wrong = Check(name="redis: memory", compared=1, different=1, differences=["it is full"], repair="CONFIG SET")

    text = output.diagnosis([fine, wrong])

    assert "WRONG    redis: memory" in text
    assert "to mend it: CONFIG SET" in text
    assert "differ" not in text.lower()
    assert text.endswith("1 of 2 need attention before `apply`.")
    assert output.diagnosis([fine]).endswith("Nothing stands in the way.")


def test_before_a_question_the_plan_names_no_next_command() -> None:
    assert "Run:" not in output.plan(Plan(steps=[PlannedStep(id="a/1")]), asking=True)


def test_a_lock_of_the_original_tool_has_no_owner() -> None:
    assert "another program" in output.lock(Holder(store="redis", foreign=True))


def test_the_plan_names_counts_destruction_and_the_next_command() -> None:
    step = PlannedStep(
        id="postgres/000005_denormalize_attempts",
        description="Attempts carry their event",
        statements=["ALTER TABLE deliveries ADD x int", "DROP TABLE event_delivery_index"],
        counts={"deliveries": 1_500_000},
        destructive=["DROP TABLE event_delivery_index (kept in outpost_kept_index)"],
        notes=["rewrites attempts, 2.1 GB, about 40 s"],
    )

    text = output.plan(Plan(steps=[step]))

    assert "1 migration is pending:" in text
    assert "deliveries: 1,500,000" in text
    assert "destructive: DROP TABLE event_delivery_index (kept in outpost_kept_index)" in text
    assert "note: rewrites attempts" in text
    assert "ALTER TABLE" not in text
    assert text.endswith("Run: outpost migrate apply")
    assert "| ALTER TABLE deliveries ADD x int" in output.plan(Plan(steps=[step]), verbose=True)


def test_nothing_pending_is_said() -> None:
    assert "Nothing is pending" in output.plan(Plan(steps=[]))
    assert "another run" in output.applied(Applied(steps=[]))


def test_a_clean_sample_states_its_bound() -> None:
    text = output.verification(Verification(checks=[Check(name="redis: tenants", compared=3_000, population=90_000)]))

    assert "0 of 3,000 differ (there are about 90,000): below 0.10% with 95 % confidence" in text


def test_a_difference_shows_what_and_how_to_mend_it() -> None:
    check = Check(
        name="schema", compared=5, population=5, different=1, differences=["index a is missing"], repair="CREATE"
    )

    text = output.verification(Verification(checks=[check]))

    assert "DIFFERS  schema  1 of 5 differ" in text
    assert "index a is missing" in text
    assert "to mend it: CREATE" in text
    assert "confidence" not in text


def test_the_list_counts_what_is_pending() -> None:
    applied = MigrationState(
        id="sqlite/000001_initial",
        state="applied",
        applied_at=datetime(2026, 4, 14, 10, tzinfo=UTC),
        duration_ms=20,
        host="db1",
        version="0.1.0",
    )

    text = output.list_(Listing(migrations=[applied, MigrationState(id="sqlite/000002_more", state="pending")]))

    assert "[applied]" in text
    assert "2026-04-14 10:00:00Z" in text
    assert "db1" in text
    assert text.endswith("1 pending of 2")


def test_cleanup_says_whether_it_was_done() -> None:
    item = CleanupItem(store="redis", what="legacy keys", count=1_200, bytes=3 * 1024 * 1024)

    assert output.cleanup([item], done=False).startswith("Would be removed for good:")
    assert "redis  legacy keys: 1,200 (3.0 MiB)" in output.cleanup([item], done=True)


def test_quarantined_records_show_their_reason() -> None:
    record = Quarantined(
        store="redis", migration="002_timestamps", key="tenant:{a}:tenant", reason="bad time", digest="x"
    )

    assert "redis/002_timestamps  tenant:{a}:tenant  bad time" in output.quarantine([record])


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.0s"), (45.2, "45s"), (430, "7m10s"), (7500, "2h05m")])
def test_spans_are_short(value: float, text: str) -> None:
    assert output.seconds(value) == text
