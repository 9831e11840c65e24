"""A run that is killed, stopped, revoked or starved anywhere is finished by the next one, in the same bytes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.line import VerifyRequest
from tests.support.process import OutpostProcess
from tests.support.redis_store import RedisStore, Value, snapshot
from tests.support.servers.redis import RedisServer

APPLY = ("migrate", "apply", "--yes")
RECORDS = b"tenant:"
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


def _dies_at(place: str, action: str = "kill") -> dict[str, str]:
    return {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": f"{place}:{action}"}


def _records(store: RedisStore) -> Mapping[bytes, tuple[str, object, bool]]:
    """Return what tenants and destinations hold; of an expiry only whether there is one."""
    return {
        key: (value.type, value.content, value.ttl_ms >= 0)
        for key, value in store.read().items()
        if key.startswith(RECORDS)
    }


async def _undisturbed(store: RedisStore) -> Mapping[bytes, tuple[str, object, bool]]:
    """Return what an upgrade ends in that nobody disturbs, and leave the old data as it was."""
    before = snapshot("v0.5.1")
    store.write(before)
    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
    wanted = _records(store)
    store.server.empty()
    store.write(before)
    return wanted


async def _assert_finished(store: RedisStore, wanted: Mapping[bytes, tuple[str, object, bool]]) -> None:
    assert _records(store) == wanted
    async with store.coordinator() as coordinator:
        status = await coordinator.status()
        assert status.pending == []
        assert all(books.balanced for line in status.lines for books in line.books)
        assert (await coordinator.verify(VerifyRequest(full=True))).ok


def _configured(outpost: OutpostProcess, store: RedisStore) -> OutpostProcess:
    del outpost.settings["SQLITE_PATH"]
    node = store.nodes[0]
    clustered = {"REDIS_CLUSTER_ENABLED": "true"} if len(store.nodes) > 1 else {}
    outpost.settings |= {"REDIS_HOST": node.host, "REDIS_PORT": str(node.port), **clustered}
    return outpost


@pytest.fixture
async def outpost(tmp_path: Path) -> AsyncIterator[OutpostProcess]:
    async with OutpostProcess(tmp_path) as outpost:
        yield outpost


@pytest.mark.parametrize("place", SINGLE_PLACES)
async def test_killed_on_a_single_server(single: RedisStore, outpost: OutpostProcess, place: str) -> None:
    await _killed_and_finished(single, outpost, place)


@pytest.mark.parametrize("place", CLUSTER_PLACES)
async def test_killed_on_a_cluster(cluster: RedisStore, outpost: OutpostProcess, place: str) -> None:
    await _killed_and_finished(cluster, outpost, place)


async def _killed_and_finished(store: RedisStore, outpost: OutpostProcess, place: str) -> None:
    wanted = await _undisturbed(store)
    _configured(outpost, store)

    killed, _, err = await outpost.run(*APPLY, **_dies_at(place))
    unlocked, *_ = await outpost.run("migrate", "unlock", "--yes")
    finished, out, complaint = await outpost.run(*APPLY)

    assert killed == -signal.SIGKILL, err
    assert (unlocked, finished) == (0, 0), out + complaint
    await _assert_finished(store, wanted)


async def test_a_holder_revoked_while_suspended_writes_nothing_more(
    single: RedisStore, outpost: OutpostProcess
) -> None:
    wanted = await _undisturbed(single)
    _configured(outpost, single)
    suspended = asyncio.create_task(outpost.run(*APPLY, **_dies_at("redis.batch:1", "stop")))
    pid = await _pid_of_holder(single)
    await _until_suspended(pid)

    unlocked, *_ = await outpost.run("migrate", "unlock", "--yes")
    finished, _, complaint = await outpost.run(*APPLY)
    after = _records(single)
    _wake(pid)
    code, _, err = await suspended

    assert (unlocked, finished) == (0, 0), complaint
    assert code == 12, err
    assert _records(single) == after
    await _assert_finished(single, wanted)


async def _pid_of_holder(store: RedisStore) -> int:
    """Wait until a run has introduced itself, and return its process number."""
    async with asyncio.timeout(60), store.coordinator() as coordinator:
        while True:
            holders = [line.holder for line in (await coordinator.status()).lines]
            if holders[0] is not None and holders[0].pid:
                return holders[0].pid
            await asyncio.sleep(0.05)


async def _until_suspended(pid: int) -> None:
    async with asyncio.timeout(60):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            await asyncio.sleep(0.02)


def _wake(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_run_that_is_asked_to_stop_frees_the_lock(
    single: RedisStore, outpost: OutpostProcess, number: signal.Signals, code: int
) -> None:
    wanted = await _undisturbed(single)
    _configured(outpost, single)
    stopped = asyncio.create_task(outpost.run(*APPLY, **_dies_at("redis.page:1", "stop")))
    pid = await _pid_of_holder(single)
    await _until_suspended(pid)
    os.kill(pid, number)  # seen when it wakes
    _wake(pid)

    ended, _, err = await stopped
    again, *_ = await outpost.run(*APPLY, "--lock-timeout", "0")

    assert ended == code, err
    assert again == 0
    await _assert_finished(single, wanted)


@pytest.mark.parametrize("place", ["redis.unlinked:1", "redis.stripped:1"])
async def test_a_cleanup_killed_anywhere_is_finished_by_the_next(
    single: RedisStore, outpost: OutpostProcess, place: str
) -> None:
    single.write(snapshot("v0.5.1"))
    _configured(outpost, single)
    await outpost.run(*APPLY)
    await outpost.run("migrate", "verify", "--full")

    killed, _, err = await outpost.run("migrate", "cleanup", "--yes", "--force", **_dies_at(place))
    await outpost.run("migrate", "unlock", "--yes")
    finished, _, complaint = await outpost.run("migrate", "cleanup", "--yes", "--force")
    _, left, _ = await outpost.run("migrate", "cleanup", "--plan")

    assert killed == -signal.SIGKILL, err
    assert finished == 0, complaint
    assert "There is no old data to remove." in left
    assert not [key for key in _records(single) if not key.startswith(b"tenant:{")]
    async with single.coordinator() as coordinator:
        assert (await coordinator.status()).pending == []


async def test_many_runners_at_once_apply_each_migration_once(store: RedisStore) -> None:
    wanted = await _undisturbed(store)

    async def one() -> int:
        async with store.coordinator() as coordinator:
            return len((await coordinator.apply(ApplyRequest())).steps)

    applied = await asyncio.gather(*[one() for _ in range(12)])

    assert sum(applied) == 3
    await _assert_finished(store, wanted)


async def test_a_full_server_stops_the_run_and_room_lets_it_end(
    new_redis_server: Callable[..., RedisServer], outpost: OutpostProcess
) -> None:
    store = RedisStore(new_redis_server())
    wanted = await _undisturbed(store)
    _configured(outpost, store)
    store.nodes[0].command("CONFIG", "SET", "maxmemory", 1)

    refused, _, err = await outpost.run(*APPLY)
    store.nodes[0].command("CONFIG", "SET", "maxmemory", 0)
    finished, _, complaint = await outpost.run(*APPLY)

    assert refused == 16
    assert "maxmemory" in err
    assert finished == 0, complaint
    await _assert_finished(store, wanted)


async def test_a_read_only_replica_is_refused_and_its_primary_named(
    new_redis_server: Callable[..., RedisServer], outpost: OutpostProcess
) -> None:
    primary, replica = new_redis_server(), new_redis_server()
    replica.command("REPLICAOF", primary.host, primary.port)
    _configured(outpost, RedisStore(replica))

    code, _, err = await outpost.run(*APPLY)

    assert code == 16
    assert "primary" in err


async def test_a_lock_of_the_original_tool_is_respected(single: RedisStore, outpost: OutpostProcess) -> None:
    single.write(snapshot("v0.5.1"))
    _configured(outpost, single)
    single.write({b".outpost:migration_lock": Value("string", b"a" * 40, 3_600_000)})

    code, _, err = await outpost.run(*APPLY, "--lock-timeout", "0")

    assert code == 11
    assert "another program" in err
