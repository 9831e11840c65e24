"""Runs that are interrupted, fenced, continued, restricted or watched, and what is remembered of them."""

import asyncio
import json
from collections.abc import Callable

import pytest

from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.errors import DataIsNewer, LeaseLost, MigrationError, Refused, Unreachable
from outpost.migrations.line import VerifyRequest
from outpost.migrations.run import Event, Limits
from tests.migrations.redis.test_records import LATER_TEXT, TEXT, a_legacy_tenant
from tests.support.redis_store import RedisStore, Value, a_hash
from tests.support.servers.redis import RedisServer

TENANTS = 2_000  # enough for several pages


def a_legacy_store(tenants: int = TENANTS) -> dict[bytes, Value]:
    data: dict[bytes, Value] = {}
    for number in range(tenants):
        data |= a_legacy_tenant(f"t{number}", "des_1")
    return data


class _Stopped(Exception):
    pass


def _stopping_after(event: str, count: int) -> tuple[Callable[[Event], None], list[Event]]:
    """Return an observer that ends the run at the count-th event of a kind."""
    seen: list[Event] = []

    def observe(told: Event) -> None:
        seen.append(told)
        if sum(each.event == event for each in seen) >= count and told.event == event:
            raise _Stopped

    return observe, seen


async def test_the_books_of_a_run_account_for_every_record(store: RedisStore) -> None:
    store.write(a_legacy_store(300))

    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
        (line,) = (await coordinator.status()).lines

    first, second, third = line.books
    assert (first.matched, first.migrated) == (900, 900)
    assert (second.matched, second.migrated) == (600, 600)
    assert (third.matched, third.migrated) == (600, 600)
    assert line.preserved == "900 records under old keys, 600 records with replaced times"


async def test_an_interrupted_run_is_continued_at_its_checkpoint(
    single: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    single.write(a_legacy_store())
    monkeypatch.setattr("outpost.migrations.redis.node_pass._CHECKPOINT_EVERY", 0.0)
    observe, _ = _stopping_after("checkpoint", 3)
    line = single.line()
    async with Coordinator([line], observe=observe) as coordinator:
        with pytest.raises(_Stopped):
            await coordinator.apply(ApplyRequest())
        assert {state.state for state in await coordinator.states()} == {"incomplete"}
    kept = single.command("HGETALL", "outpost:migrate:checkpoint")
    marks = [json.loads(kept[at + 1]) for at in range(0, len(kept), 2) if kept[at].startswith(b"node:")]
    assert marks[0]["cursor"] != 0

    events: list[Event] = []
    async with single.coordinator(events=events) as coordinator:
        await coordinator.apply(ApplyRequest())
        (status,) = (await coordinator.status()).lines
        found = await coordinator.verify(VerifyRequest(full=True))

    assert found.ok
    assert all(books.balanced for books in status.books)
    # What was done before the checkpoint was not looked at again, so it is in the books once.
    assert status.books[0].matched <= 3 * TENANTS + 1_500
    assert status.books[0].migrated + status.books[0].already >= 3 * TENANTS
    assert single.command("EXISTS", "outpost:migrate:checkpoint") == 0


async def test_a_cancelled_run_leaves_a_checkpoint_and_no_lock(single: RedisStore) -> None:
    single.write(a_legacy_store())
    begun = asyncio.Event()

    def observe(event: Event) -> None:
        if event.event == "progress":
            begun.set()

    async with Coordinator([single.line()], observe=observe) as coordinator:
        running = asyncio.create_task(coordinator.apply(ApplyRequest()))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        (status,) = (await coordinator.status()).lines

    assert status.holder is None
    assert single.command("HEXISTS", "outpost:migrate:checkpoint", "plan") == 1
    assert {state.state for state in status.migrations} == {"incomplete"}


async def test_a_newer_run_stops_an_older_one_at_its_next_write(single: RedisStore) -> None:
    single.write(a_legacy_store(10))

    def observe(event: Event) -> None:
        if event.event == "step_started":
            single.nodes[0].command("SET", "outpost:migration_fence", 1_000)

    async with Coordinator([single.line()], observe=observe) as coordinator:
        with pytest.raises(LeaseLost):
            await coordinator.apply(ApplyRequest())

    assert b"tenant:{t1}:tenant" not in single.read()


async def test_state_of_a_newer_run_is_not_overwritten(store: RedisStore) -> None:
    store.write(a_legacy_store(3))

    def observe(event: Event) -> None:
        if event.event == "step_started":
            store.command("HSET", "outpost:migration:002_timestamps", "fence", "99")

    async with store.coordinator(observe=observe) as coordinator:
        with pytest.raises(LeaseLost):
            await coordinator.apply(ApplyRequest())


async def test_migrations_can_be_applied_one_by_one(store: RedisStore) -> None:
    store.write(a_legacy_tenant("acme", "des_1"))
    destination = "tenant:{acme}:destination:des_1"

    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest(until="redis/001_hash_tags"))
        assert store.command("HGET", destination, "created_at") == LATER_TEXT.encode()
        assert [state.state for state in await coordinator.states()] == ["applied", "pending", "pending"]

        await coordinator.apply(ApplyRequest(until="002_timestamps"))
        assert store.command("HGET", destination, "created_at") == b"1746507601500"
        assert store.command("HGET", destination, "entity") is None

        await coordinator.apply(ApplyRequest())
        assert store.command("HGET", destination, "entity") == b"destination"
        assert (await coordinator.verify(VerifyRequest(full=True))).ok


async def test_fused_or_not_the_data_ends_the_same(single: RedisStore) -> None:
    ends: list[dict[bytes, object]] = []
    for fuse in (True, False):
        for node in single.nodes:
            node.empty()
        single.write(a_legacy_store(50))
        async with single.coordinator() as coordinator:
            await coordinator.apply(ApplyRequest(limits=Limits(fuse=fuse)))
        ends.append({key: value.content for key, value in single.read().items() if key.startswith(b"tenant:")})

    assert ends[0] == ends[1]


async def test_an_earlier_migration_that_runs_late_leaves_current_records(store: RedisStore) -> None:
    applied = a_hash(status="applied", applied_at="2026-01-02T03:04:05Z")
    store.write({**a_legacy_tenant("acme", "des_1"), b"outpost:migration:003_entity": applied})
    store.command("HSET", "outpost:migration:001_hash_tags", "doubtful", "no")

    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())

    assert store.command("HGET", "tenant:{acme}:tenant", "entity") == b"tenant"


async def test_records_that_a_server_writes_meanwhile_are_migrated_too(store: RedisStore) -> None:
    store.write(a_legacy_store(300))
    written = 0

    def observe(event: Event) -> None:
        nonlocal written
        if event.event == "checkpoint" and written < 3:
            written += 1
            store.write(a_legacy_tenant(f"late{written}", "des_1"))

    async with Coordinator([store.line()], observe=observe) as coordinator:
        await coordinator.apply(ApplyRequest())
        found = await coordinator.verify(VerifyRequest(full=True))

    assert found.ok, found
    assert written
    for number in range(1, written + 1):
        assert store.command("HGET", f"tenant:{{late{number}}}:tenant", "entity") == b"tenant"


async def test_a_server_that_is_killed_and_comes_back_begins_its_pass_again(
    new_redis_server: Callable[..., RedisServer],
) -> None:
    server = new_redis_server(settings={"appendonly": "yes", "appendfsync": "always"})
    store = RedisStore(server)
    store.write(a_legacy_store(1_500))
    restarted = False

    def observe(event: Event) -> None:
        nonlocal restarted
        if event.event == "progress" and not restarted:
            restarted = True
            server.kill()
            server.start()

    async with Coordinator([store.line()], observe=observe) as coordinator:
        await coordinator.apply(ApplyRequest())
        found = await coordinator.verify(VerifyRequest(full=True))

    assert restarted
    assert found.ok, found


async def test_a_server_near_its_memory_limit_holds_the_run_back_until_there_is_room(
    single: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outpost.migrations.redis.node_pass._PAUSE", 0.01)
    single.write(a_legacy_store(100))
    server = single.nodes[0]
    server.command("CONFIG", "SET", "maxmemory", "100mb")
    reasons: list[str] = []

    def observe(event: Event) -> None:
        if event.event == "throttled":
            reasons.append(str(event.fields["reason"]))
            server.command("CONFIG", "SET", "maxmemory", "0")

    try:
        async with Coordinator([single.line()], observe=observe) as coordinator:
            await coordinator.apply(ApplyRequest(limits=Limits(max_memory_share=0.001)))
    finally:
        server.command("CONFIG", "SET", "maxmemory", "0")

    assert len(reasons) == 1
    assert "memory at" in reasons[0]


async def test_data_of_a_newer_program_is_refused(store: RedisStore) -> None:
    store.command("HSET", "outpost:migrate:store", "min_reader", "2")

    async with store.coordinator() as coordinator:
        with pytest.raises(DataIsNewer):
            await coordinator.states()


async def test_an_unreachable_server_is_told_as_that(new_redis_server: Callable[..., RedisServer]) -> None:
    server = new_redis_server()
    server.stop()

    async with RedisStore(server).coordinator() as coordinator:
        with pytest.raises(Unreachable):
            await coordinator.states()


async def test_state_without_the_prefix_of_the_deployment_is_told_and_not_believed(store: RedisStore) -> None:
    store.command("HSET", "outpost:migration:002_timestamps", "status", "applied")

    async with store.coordinator("dp_001") as coordinator:
        first, second, third = await coordinator.states()

    assert first.state == "not_applicable"
    assert second.state == "pending"
    assert "without the deployment's prefix" in second.detail
    assert third.detail == ""


async def test_what_the_original_reads_of_the_state_is_what_it_would_have_written(store: RedisStore) -> None:
    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())

    for name in ("001_hash_tags", "002_timestamps", "003_entity"):
        assert store.command("HGET", f"outpost:migration:{name}", "status") == b"applied"
        assert len(store.command("HGET", f"outpost:migration:{name}", "applied_at")) == len("2026-01-02T03:04:05Z")


async def test_runs_of_older_releases_are_part_of_the_history(store: RedisStore) -> None:
    store.write(
        {
            b"outpost:migration:002_timestamps:run:1768000000": a_hash(
                processed="12", skipped="0", failed="1", rerun="0", duration_ms="250"
            )
        }
    )

    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
        past, own = await coordinator.history()

    assert (past.outcome, past.duration_ms, past.detail) == ("failed", 250, "processed 12, skipped 0, failed 1")
    assert (own.command, own.outcome) == ("apply", "ok")


async def test_false_bookkeeping_is_found_by_verify_and_doctor(single: RedisStore) -> None:
    applied = a_hash(status="applied", applied_at="1795460096")
    names = ("001_hash_tags", "002_timestamps", "003_entity")
    single.write({**a_legacy_store(20), **{f"outpost:migration:{name}".encode(): applied for name in names}})

    async with single.coordinator() as coordinator:
        found = await coordinator.verify(VerifyRequest())
        told = [check for check in (await coordinator.doctor()).checks if "recorded as applied" in check.name]

    assert not found.ok
    assert told[0].differences == ["001_hash_tags is recorded as applied, but no old record has a new one"]


@pytest.mark.parametrize(
    ("key", "change", "told"),
    [
        ("tenant:{t1}:destination:des_1", ("HSET", "topics", "other"), "topics differs"),
        ("tenant:{t1}:destination:des_1", ("HDEL", "config"), "config differs"),
        ("tenant:{t1}:destination:des_1", ("PEXPIRE", 100_000), "expires"),
        ("tenant:{t1}:destination:des_1", ("DEL",), "is missing"),
        ("tenant:{t1}:destinations", ("HDEL", "des_1"), "summary"),
        ("tenant:{t1}:tenant", ("HSET", "created_at", "1746507600121"), "created_at"),
        ("tenant:{t1}:tenant", ("HSET", "created_at", TEXT), "milliseconds"),
        ("tenant:{t1}:tenant", ("HDEL", "entity"), "does not say"),
        ("tenant:{t1}:tenant", ("HSET", "entity", "destination"), "does not say"),
    ],
)
async def test_damage_to_a_migrated_record_is_found(
    store: RedisStore, key: str, change: tuple[str | int, ...], told: str
) -> None:
    store.write(a_legacy_store(20))
    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
        store.command(str(change[0]), key, *change[1:])

        full = await coordinator.verify(VerifyRequest(full=True))
        sampled = await coordinator.verify(VerifyRequest())

    differences = [text for check in full.checks for text in check.differences]
    assert any(told in text for text in differences), differences
    assert not sampled.ok  # so small a store is looked at whole


async def test_what_servers_change_after_the_migration_is_no_damage(store: RedisStore) -> None:
    store.write(a_legacy_store(5))
    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
        store.command("HSET", "tenant:{t1}:destination:des_1", "topics", "*", "updated_at", "1900000000000")
        store.command("HSET", "tenant:{t2}:destination:des_1", "deleted_at", "1900000000000")
        store.command("PEXPIRE", "tenant:{t2}:destination:des_1", 604_800_000)
        store.command("DEL", "tenant:{t2}:destinations")
        store.command("DEL", "tenant:{t3}:destination:des_1")
        store.command("DEL", "tenant:{t3}:destinations")

        found = await coordinator.verify(VerifyRequest(full=True))

    (copies,) = [check for check in found.checks if check.name.startswith("redis/001")]
    assert found.ok, found
    assert "2 changed since" in copies.note
    assert "3 deleted since" in copies.note


async def test_cleanup_removes_the_old_data_and_only_that(store: RedisStore) -> None:
    store.write({**a_legacy_store(300), b"cache:1": a_hash(a="b")})
    async with store.coordinator() as coordinator:
        with pytest.raises(Refused, match="pending"):
            await coordinator.cleanup(ApplyRequest(), force=True)
        await coordinator.apply(ApplyRequest())
        with pytest.raises(Refused, match="full verification"):
            await coordinator.cleanup(ApplyRequest(), force=False)
        await coordinator.verify(VerifyRequest(full=True))
        with pytest.raises(Refused, match="day"):
            await coordinator.cleanup(ApplyRequest(), force=False)
        before = store.read()
        planned = {item.what: item.count for item in await coordinator.cleanup_plan()}
        store.command("HSET", "outpost:migration:003_entity", "applied_at", "2020-01-01T00:00:00Z")
        store.command("HSET", "outpost:migration:002_timestamps", "applied_at", "2020-01-01T00:00:00Z")
        store.command("HSET", "outpost:migration:001_hash_tags", "applied_at", "2020-01-01T00:00:00Z")
        removed = {item.what: item.count for item in await coordinator.cleanup(ApplyRequest(), force=False)}
        after_checks = await coordinator.verify(VerifyRequest(full=True))
        assert await coordinator.cleanup_plan() == []

    after = store.read()
    assert planned == removed == {"records under old keys": 900, "records with replaced times": 600}
    assert not [key for key in after if key.startswith(b"tenant:t")]
    assert after[b"cache:1"] == before[b"cache:1"]
    for key, value in before.items():
        if key.startswith(b"tenant:{"):
            kept = {name: text for name, text in value.content.items() if not name.startswith(b"outpost:kept:")}
            assert after[key].content == kept
    assert after_checks.ok
    assert "cannot be compared any more" in after_checks.checks[-1].note


async def test_cleanup_keeps_what_a_person_accepted_as_it_is(single: RedisStore) -> None:
    single.write({**a_legacy_tenant("acme"), b"tenant:odd": a_hash(id="other")})
    async with single.coordinator() as coordinator:
        with pytest.raises(MigrationError):
            await coordinator.apply(ApplyRequest())
        await coordinator.accept_quarantined(ApplyRequest(), [], "known")
        await coordinator.apply(ApplyRequest())
        await coordinator.cleanup(ApplyRequest(), force=True)

    assert b"tenant:odd" in single.read()
    assert b"tenant:acme" not in single.read()


async def test_reading_commands_write_nothing(store: RedisStore) -> None:
    store.write(a_legacy_store(20))
    before = store.read()

    async with store.coordinator() as coordinator:
        await coordinator.states()
        plan = await coordinator.plan()
        await coordinator.status()
        await coordinator.verify(VerifyRequest())
        await coordinator.doctor()
        await coordinator.history()
        await coordinator.cleanup_plan()

    assert store.read() == before
    assert [step.counts for step in plan.steps] == [{"records": 60}, {"records": 40}, {"records": 40}]


async def test_nothing_pending_needs_no_lock(single: RedisStore) -> None:
    async with single.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
    single.command("SET", ".outpost:migration_lock", "a" * 40)

    async with single.coordinator() as coordinator:
        assert (await coordinator.apply(ApplyRequest(lock_seconds=0))).steps == []


async def test_keys_that_move_during_a_pass_are_not_missed(cluster: RedisStore) -> None:
    cluster.write(a_legacy_store(200))
    server = cluster.server
    assert not isinstance(server, RedisServer)
    slot = server.slot("tenant:{t7}:tenant")
    target = (server.home(slot) + 1) % 3
    moved = False

    def observe(event: Event) -> None:
        nonlocal moved
        if event.event == "checkpoint" and not moved:
            moved = True
            server.start_moving(slot, to=target)
            server.finish_moving(slot, to=target)

    async with Coordinator([cluster.line()], observe=observe) as coordinator:
        await coordinator.apply(ApplyRequest())
        found = await coordinator.verify(VerifyRequest(full=True))

    assert moved
    assert found.ok, found


async def test_an_old_record_that_vanishes_while_it_is_copied_across_slots_stays_gone(
    cluster: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.write(a_legacy_tenant("acme", "des_1"))

    def between(name: str) -> None:
        if name == "redis.read":
            cluster.command("DEL", "tenant:acme:destination:des_1")

    monkeypatch.setattr("outpost.migrations.redis.work.failpoint", between)
    async with cluster.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())

    assert b"tenant:{acme}:destination:des_1" not in cluster.read()


async def test_an_old_record_that_changes_while_it_is_copied_across_slots_is_copied_again(
    cluster: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.write(a_legacy_tenant("acme", "des_1"))
    changes = iter(["one", "two"])

    def between(name: str) -> None:
        if name == "redis.read" and (topic := next(changes, None)):
            cluster.command("HSET", "tenant:acme:destination:des_1", "topics", topic)

    monkeypatch.setattr("outpost.migrations.redis.work.failpoint", between)
    async with cluster.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())

    assert cluster.command("HGET", "tenant:{acme}:destination:des_1", "topics") == b"two"
