"""A run whose lock is deleted, flushed, evicted, revoked or taken over writes nothing more and never says applied."""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tests.support.impatient
from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import LeaseLost
from outpost.migrations.lease import Timings
from outpost.migrations.owner import this_process
from outpost.migrations.redis.lease import RedisLease
from tests.migrations.redis.disturbance import on
from tests.migrations.redis.outcomes import (
    APPLY,
    assert_converges,
    assert_finished,
    assert_not_applied,
    configured,
    records,
    undisturbed,
)
from tests.migrations.redis.standing import standing_run
from tests.migrations.redis.test_killed import a_large_summary
from tests.migrations.redis.test_runs import a_legacy_store
from tests.support.process import OutpostProcess
from tests.support.redis_store import RedisStore

LOCK, FENCE = ".outpost:migration_lock", "outpost:migration_fence"
TENANTS = 150
DELETED = (b"tenant:{acme}:tenant", b"tenant:{acme}:destinations", b"tenant:{acme}:destination:des_1")
"""What a server deletes while the run is suspended, and must not come back."""

IMPATIENT = (sys.executable, tests.support.impatient.__file__)

pytestmark = pytest.mark.usefixtures("many_pages")


async def _loses(store: RedisStore, disturb: Callable[[], object]) -> None:
    """Disturb a run in its middle, and fail unless it ends as one that has lost its lock."""
    async with store.coordinator(observe=on(("progress", disturb))) as coordinator:
        with pytest.raises(LeaseLost) as failure:
            await coordinator.apply(ApplyRequest())

    assert failure.value.exit_code == 12
    await assert_not_applied(store)


async def test_a_run_whose_lock_was_deleted_does_not_say_applied(store: RedisStore) -> None:
    wanted = await undisturbed(store, a_legacy_store(TENANTS))

    await _loses(store, lambda: store.command("DEL", LOCK))

    await assert_converges(store, wanted)


async def test_a_run_whose_server_was_emptied_writes_nothing_into_it(single: RedisStore) -> None:
    wanted = await undisturbed(single, a_legacy_store(TENANTS))

    await _loses(single, single.nodes[0].empty)

    assert single.read() == {}
    single.write(a_legacy_store(TENANTS))  # as from a backup
    await assert_converges(single, wanted)


async def test_a_run_on_an_emptied_cluster_does_not_say_applied(cluster: RedisStore) -> None:
    wanted = await undisturbed(cluster, a_legacy_store(TENANTS))

    await _loses(cluster, lambda: [node.command("FLUSHALL") for node in cluster.nodes])

    cluster.server.empty()
    cluster.write(a_legacy_store(TENANTS))  # as from a backup
    await assert_converges(cluster, wanted)


async def test_a_run_whose_fence_was_evicted_writes_nothing_more(single: RedisStore) -> None:
    wanted = await undisturbed(single, a_legacy_store(TENANTS))
    seen: list[int] = []

    def evict() -> None:
        single.command("DEL", FENCE)
        seen.append(len(records(single)))

    await _loses(single, evict)

    assert len(records(single)) == seen[0]
    await assert_converges(single, wanted)


async def test_a_fence_that_was_evicted_does_not_fall_back(store: RedisStore) -> None:
    store.write(a_legacy_store(3))
    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
    store.command("SET", FENCE, 41)
    store.command("HSET", "outpost:migration:002_timestamps", "fence", 41)
    store.command("DEL", FENCE)

    async with contextlib.aclosing(store.redis()) as redis:
        lease = RedisLease(redis, prefix="", timings=Timings())
        assert await lease.fence() == 41
        await lease.take(this_process().token)
        await lease.revoke()

    assert store.command("GET", FENCE) == b"42"


async def test_unlock_stops_a_run_that_is_alive(store: RedisStore, outpost: OutpostProcess) -> None:
    wanted = await undisturbed(store, a_legacy_store(TENANTS))
    configured(outpost, store)
    answers: list[subprocess.CompletedProcess[str]] = []

    def unlock() -> None:
        command = [sys.executable, "-m", "outpost", "migrate", "unlock", "--yes"]
        answers.append(subprocess.run(command, env=outpost.settings, capture_output=True, text=True, timeout=60))

    await _loses(store, unlock)

    assert answers[0].returncode == 0, answers[0].stderr
    assert "evicted" in answers[0].stdout.lower() or "revoked" in answers[0].stdout.lower()
    assert (await store.status()).holder is None
    await assert_converges(store, wanted)


async def test_unlock_of_a_suspended_run_lets_another_finish_and_the_first_writes_nothing(
    single: RedisStore, outpost: OutpostProcess
) -> None:
    wanted = await undisturbed(single)
    configured(outpost, single)
    async with standing_run(single, outpost, "redis.batch:1") as run:
        unlocked, *_ = await outpost.run("migrate", "unlock", "--yes")
        finished, _, complaint = await outpost.run(*APPLY)
        after = records(single)
        code, _, err = await run.ended()

    assert (unlocked, finished) == (0, 0), complaint
    assert code == 12, err
    assert records(single) == after
    await assert_finished(single, wanted)


@pytest.mark.parametrize("place", ["redis.batch:1", "redis.whole:1", "redis.complete:1"])
async def test_a_run_suspended_beyond_its_lease_is_taken_over_and_cannot_write_when_it_wakes(
    single: RedisStore, tmp_path: Path, place: str
) -> None:
    await _taken_over(single, tmp_path, place)


@pytest.mark.parametrize("place", ["redis.read:1", "redis.whole:1", "redis.complete:1"])
async def test_a_run_suspended_beyond_its_lease_cannot_write_on_a_cluster_either(
    cluster: RedisStore, tmp_path: Path, place: str
) -> None:
    await _taken_over(cluster, tmp_path, place)


async def _taken_over(store: RedisStore, folder: Path, place: str) -> None:
    wanted = await undisturbed(store, a_large_summary())
    async with OutpostProcess(folder, program=IMPATIENT) as outpost:
        configured(outpost, store)
        async with standing_run(store, outpost, place) as run:
            finished, out, complaint = await outpost.run(*APPLY)
            for key in DELETED:
                store.command("DEL", key)
            after = records(store)
            code, _, err = await run.ended()

    assert finished == 0, out + complaint
    assert code == 12, err
    assert records(store) == after
    assert after.keys() == wanted.keys() - set(DELETED)
    async with store.coordinator() as coordinator:
        assert await coordinator.pending() == []
