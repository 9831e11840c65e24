"""`verify --full` of a large store compares in processes of its own, and finds what it would find in one."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import psutil
import pytest

from outpost.clients.redis import RedisUnavailable
from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import MigrationError
from outpost.migrations.line import VerifyRequest
from outpost.migrations.redis import verify
from outpost.migrations.redis.comparing_processes import ComparingProcesses, Job
from outpost.migrations.redis.comparison import Scope
from outpost.migrations.redis.keys import ToolKeys
from outpost.migrations.report import Check
from tests.migrations.redis.test_records import a_legacy_tenant
from tests.support.fault_proxy import FaultProxy
from tests.support.redis_store import RedisStore

MODULE = "outpost.migrations.redis.comparing_processes"


@pytest.fixture
def a_small_store_is_large(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let many pages of a small store be compared by two processes; returns the numbers of them, for each time."""
    made: list[int] = []

    def make(job: Job, *, count: int) -> ComparingProcesses:
        made.append(count)
        return ComparingProcesses(job, count=count)

    monkeypatch.setattr(verify, "_LARGE", 0)
    monkeypatch.setattr(verify, "processes", lambda: 2)
    monkeypatch.setattr(verify, "ComparingProcesses", make)
    monkeypatch.setattr("outpost.migrations.redis.survey._PAGE", 20)
    for name in ("_FEWEST", "_MOST"):
        monkeypatch.setattr(f"outpost.clients.redis.scan.{name}", 20)
    return made


def others() -> list[psutil.Process]:
    """Return the processes that compare for this one."""
    return [each for each in psutil.Process().children() if MODULE in each.cmdline()]


async def verified(store: RedisStore) -> Sequence[Check]:
    async with store.coordinator() as coordinator:
        return (await coordinator.verify(VerifyRequest(full=True))).checks


async def a_migrated_store(store: RedisStore) -> None:
    store.write(
        {key: value for number in range(40) for key, value in a_legacy_tenant(f"t{number}", "d1", "a:b").items()}
    )
    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())


async def test_it_finds_the_same_as_one_process(store: RedisStore, request: pytest.FixtureRequest) -> None:
    await a_migrated_store(store)
    store.command("HSET", "tenant:{t7}:destination:d1", "type", "another")
    store.command("HSET", "tenant:{t8}:tenant", "created_at", "2025-05-06T12:00:00Z")
    store.command("DEL", "tenant:{t9}:destination:a:b")
    alone = await verified(store)

    made = request.getfixturevalue("a_small_store_is_large")
    together = await verified(store)

    assert made == [2]
    assert [(each.compared, each.population, each.different, each.note) for each in together] == [
        (each.compared, each.population, each.different, each.note) for each in alone
    ]
    told = [sorted(each.differences) for each in together]
    assert told == [sorted(each.differences) for each in alone]
    assert sum(map(len, told)) == 4
    assert others() == []


async def test_the_user_learns_that_one_has_ended(store: RedisStore, a_small_store_is_large: list[int]) -> None:
    await a_migrated_store(store)
    async with ComparingProcesses(a_job(store), count=1) as comparing:
        await comparing.page([b"tenant:t1"])
        (other,) = others()
        other.kill()

        with pytest.raises(MigrationError, match="a process that compares records has ended with -9"):
            await comparing.page([b"tenant:t1"])


async def test_an_error_there_is_an_error_here(single: RedisStore, a_small_store_is_large: list[int]) -> None:
    await a_migrated_store(single)
    async with FaultProxy(single.nodes[0].port) as proxy:
        seen = RedisStore(single.server, port=proxy.port)
        async with ComparingProcesses(a_job(seen), count=1) as comparing:
            await comparing.page([b"tenant:t1"])
            proxy.refuse()
            with pytest.raises(RedisUnavailable):
                await comparing.page([b"tenant:t1"])


async def test_none_is_left_when_the_verification_is_broken_off(
    single: RedisStore, a_small_store_is_large: list[int]
) -> None:
    await a_migrated_store(single)
    async with ComparingProcesses(a_job(single), count=2) as comparing:
        await asyncio.gather(comparing.page([b"tenant:t1"]), comparing.page([b"tenant:t2"]))
        left = others()
        assert len(left) == 2
        page = asyncio.create_task(comparing.page([b"tenant:t%d" % number for number in range(40)]))
        await asyncio.sleep(0)
        page.cancel()

    assert [each for each in left if each.is_running()] == []


def test_one_ends_when_the_process_that_hands_out_pages_is_gone() -> None:
    ended = subprocess.run([sys.executable, "-m", MODULE], input=b"", capture_output=True, timeout=30)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def a_job(store: RedisStore) -> Job:
    return Job(
        connect=store.connect(),
        keys=ToolKeys(),
        across=len(store.nodes) > 1,
        scope=Scope(done=frozenset({1, 2, 3}), ours=True, aside=frozenset(), whole=True),
    )
