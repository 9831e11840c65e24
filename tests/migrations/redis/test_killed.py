"""A run that is killed, stopped, revoked or starved anywhere is finished by the next one, in the same bytes."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from outpost.migrations.coordinator import ApplyRequest
from tests.migrations.redis.outcomes import (
    APPLY,
    assert_converges,
    assert_finished,
    configured,
    failing_at,
    undisturbed,
)
from tests.migrations.redis.standing import standing_run
from tests.migrations.redis.test_records import a_legacy_tenant
from tests.migrations.redis.test_runs import a_legacy_store
from tests.support.fault_proxy import FaultProxy
from tests.support.process import OutpostProcess
from tests.support.redis_store import Data, RedisStore, a_hash, snapshot

SINGLE_PLACES = [
    "redis.began:1",
    "redis.batch:1",
    "redis.page:2",
    "redis.checkpoint:1",
    "redis.checkpointed:1",
    "redis.complete:1",
    "redis.applied:1",
    "redis.applied:3",
    "redis.cleared:1",
]
CLUSTER_PLACES = ["redis.read:1", "redis.copied:1", "redis.copied:2", "redis.checkpointed:2", "redis.complete:1"]


@pytest.mark.parametrize("place", SINGLE_PLACES)
async def test_killed_on_a_single_server(single: RedisStore, outpost: OutpostProcess, place: str) -> None:
    await _killed_and_finished(single, outpost, place)


@pytest.mark.parametrize("place", CLUSTER_PLACES)
async def test_killed_on_a_cluster(cluster: RedisStore, outpost: OutpostProcess, place: str) -> None:
    await _killed_and_finished(cluster, outpost, place)


@pytest.mark.parametrize("place", ["redis.piece:1", "redis.piece:4", "redis.whole:1"])
async def test_killed_while_a_large_record_is_copied(store: RedisStore, outpost: OutpostProcess, place: str) -> None:
    await _killed_and_finished(store, outpost, place, a_large_summary())


async def _killed_and_finished(
    store: RedisStore, outpost: OutpostProcess, place: str, before: Data | None = None
) -> None:
    wanted = await undisturbed(store, before)
    configured(outpost, store)

    killed, _, err = await outpost.run(*APPLY, **failing_at(place))
    unlocked, *_ = await outpost.run("migrate", "unlock", "--yes")
    finished, out, complaint = await outpost.run(*APPLY)

    assert killed == -signal.SIGKILL, err
    assert (unlocked, finished) == (0, 0), out + complaint
    await assert_finished(store, wanted)


def a_large_summary() -> Data:
    """A tenant with more destinations than a script may copy at once."""
    listed = {f"des_{number}": '{"type":"webhook","topics":["*"]}' for number in range(1_500)}
    return {**a_legacy_tenant("acme", "des_1"), b"tenant:acme:destinations": a_hash(**listed)}


async def test_the_half_of_a_large_copy_ends_by_itself(single: RedisStore, outpost: OutpostProcess) -> None:
    single.write(a_large_summary())
    configured(outpost, single)

    await outpost.run(*APPLY, **failing_at("redis.piece:2"))
    (half,) = single.nodes[0].command("KEYS", "outpost:migrate:copy:*")

    assert 0 < single.command("PTTL", half) <= 3_600_000
    assert b"tenant:{acme}:destinations" not in single.read()


async def test_a_run_that_is_asked_to_stop_keeps_its_place_and_the_next_goes_on_there(
    single: RedisStore, outpost: OutpostProcess, tmp_path: Path
) -> None:
    tenants = 3_000
    wanted = await undisturbed(single, a_legacy_store(tenants))
    configured(outpost, single)
    # Eight pages are under way at most: where the ninth begins, the first is done.
    async with standing_run(single, outpost, "redis.page:9", "--batch", "50") as run:
        run.signal(signal.SIGTERM)
        code, _, err = await run.ended()
    marks = [json.loads(text) for text in single.command("HVALS", "outpost:migrate:checkpoint") if b"cursor" in text]

    again, *_ = await outpost.run(*APPLY, "--lock-timeout", "0", "--events", str(tmp_path / "events"))

    assert code == 143, err
    assert "Run it again to continue" in err
    assert [mark["cursor"] > 0 and mark["keys"] > 0 for mark in marks] == [True]
    assert again == 0
    books = await assert_finished(single, wanted)
    assert 3 * tenants <= books.matched <= 3 * tenants + 8_000  # pages that were under way are looked at twice


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
async def test_a_run_that_is_asked_to_stop_frees_the_lock(
    single: RedisStore, outpost: OutpostProcess, number: signal.Signals, code: int
) -> None:
    wanted = await undisturbed(single)
    configured(outpost, single)
    async with standing_run(single, outpost, "redis.page:1") as run:
        run.signal(number)
        ended, _, err = await run.ended()

    again, *_ = await outpost.run(*APPLY, "--lock-timeout", "0")

    assert ended == code, err
    assert again == 0
    await assert_finished(single, wanted)


async def test_a_run_under_nohup_outlives_its_terminal(single: RedisStore, outpost: OutpostProcess) -> None:
    wanted = await undisturbed(single)
    configured(outpost, single)
    async with standing_run(single, outpost, "redis.page:1", on_hangup=signal.SIG_IGN) as run:
        run.signal(signal.SIGHUP)
        code, _, err = await run.ended()

    assert code == 0, err
    await assert_finished(single, wanted)


async def test_a_run_that_is_asked_to_stop_twice_ends_at_once(single: RedisStore, outpost: OutpostProcess) -> None:
    wanted = await undisturbed(single)
    configured(outpost, single)
    async with standing_run(single, outpost, "redis.page:1") as run:
        run.signal(signal.SIGINT)
        run.signal(signal.SIGTERM)
        code, _, err = await run.ended()
    status = await single.status()

    assert code in (130, 143), err
    assert status.holder is not None  # it had no time to free the lock
    await outpost.run("migrate", "unlock", "--yes")
    await assert_converges(single, wanted)


async def test_a_run_that_is_asked_to_stop_does_not_wait_for_a_silent_server(
    single: RedisStore, outpost: OutpostProcess
) -> None:
    wanted = await undisturbed(single)
    async with FaultProxy(single.nodes[0].port) as proxy:
        configured(outpost, single, port=proxy.port)
        async with standing_run(single, outpost, "redis.page:1") as run:
            proxy.silence()
            run.signal(signal.SIGTERM)
            async with asyncio.timeout(8):  # well below the patience of the client, 10 s for each command
                code, _, err = await run.ended()

    assert code == 143, err
    await outpost.run("migrate", "unlock", "--yes", REDIS_PORT=str(single.nodes[0].port))
    await assert_converges(single, wanted)


@pytest.mark.parametrize("place", ["redis.unlinked:1", "redis.stripped:1"])
async def test_a_cleanup_killed_anywhere_is_finished_by_the_next(
    single: RedisStore, outpost: OutpostProcess, place: str
) -> None:
    single.write(snapshot("v0.5.1"))
    configured(outpost, single)
    await outpost.run(*APPLY)
    await outpost.run("migrate", "verify", "--full")

    killed, _, err = await outpost.run("migrate", "cleanup", "--yes", "--force", **failing_at(place))
    await outpost.run("migrate", "unlock", "--yes")
    finished, _, complaint = await outpost.run("migrate", "cleanup", "--yes", "--force")
    _, left, _ = await outpost.run("migrate", "cleanup", "--plan")

    assert killed == -signal.SIGKILL, err
    assert finished == 0, complaint
    assert "There is no old data to remove." in left
    assert not [key for key in single.read() if key.startswith(b"tenant:") and not key.startswith(b"tenant:{")]
    async with single.coordinator() as coordinator:
        assert (await coordinator.status()).pending == []


async def test_of_many_processes_at_once_one_works_and_all_end_well(
    single: RedisStore, outpost: OutpostProcess
) -> None:
    wanted = await undisturbed(single)
    configured(outpost, single)

    answers = await asyncio.gather(*[outpost.run(*APPLY) for _ in range(24)])
    _, told, _ = await outpost.run("migrate", "history", "--json")

    assert [code for code, _, _ in answers] == [0] * 24, answers
    assert [len(run["migrations"]) for run in json.loads(told)["runs"] if run["migrations"]] == [3]
    await assert_finished(single, wanted)


async def test_of_many_runners_at_once_one_applies_on_a_cluster_too(cluster: RedisStore) -> None:
    wanted = await undisturbed(cluster)

    async def one() -> int:
        async with cluster.coordinator() as coordinator:
            return len((await coordinator.apply(ApplyRequest())).steps)

    applied = await asyncio.gather(*[one() for _ in range(12)])

    assert sum(applied) == 3
    await assert_finished(cluster, wanted)
