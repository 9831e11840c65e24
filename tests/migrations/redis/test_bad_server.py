"""A Redis that is full, restarts, comes back empty or gives keys away in the middle of a run."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable

import pytest

from outpost.clients.redis import slot_of
from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import MigrationError, Refused
from outpost.migrations.lease import Timings
from outpost.migrations.owner import this_process
from outpost.migrations.redis.keys import ToolKeys
from outpost.migrations.redis.lease import RedisLease
from outpost.migrations.run import Event, Limits
from tests.migrations.redis.disturbance import NODE_PASS, on
from tests.migrations.redis.outcomes import (
    APPLY,
    assert_converges,
    assert_finished,
    assert_not_applied,
    configured,
    undisturbed,
)
from tests.migrations.redis.test_records import a_legacy_tenant
from tests.migrations.redis.test_runs import a_legacy_store
from tests.support.process import OutpostProcess
from tests.support.redis_store import RedisStore, Value
from tests.support.servers.redis import RedisServer, RedisServerCluster

TENANTS = 200
NO_LIMIT = ApplyRequest(limits=Limits(max_memory_share=float("inf")))
"""Lets a run go on until the server itself refuses."""


pytestmark = pytest.mark.usefixtures("many_pages")


@pytest.fixture
def own(new_redis_server: Callable[..., RedisServer]) -> RedisStore:
    """A Redis whose settings a test may change."""
    return RedisStore(new_redis_server())


def _memory(store: RedisStore, limit: int) -> Callable[[], object]:
    return lambda: [node.command("CONFIG", "SET", "maxmemory", limit) for node in store.nodes]


async def test_a_full_server_is_refused_before_the_work_begins(own: RedisStore, outpost: OutpostProcess) -> None:
    wanted = await undisturbed(own)
    configured(outpost, own)
    _memory(own, 1)()

    refused, _, err = await outpost.run(*APPLY)

    assert refused == 16
    assert "maxmemory" in err
    _memory(own, 0)()
    await assert_converges(own, wanted)


@pytest.mark.parametrize("request_", [NO_LIMIT, ApplyRequest()], ids=["refused by the server", "held back by the run"])
async def test_memory_that_runs_out_in_the_middle_is_waited_for(own: RedisStore, request_: ApplyRequest) -> None:
    wanted = await undisturbed(own, a_legacy_store(TENANTS))

    async with own.coordinator(
        observe=on(("progress", _memory(own, 1)), ("throttled", _memory(own, 0)))
    ) as coordinator:
        await coordinator.apply(request_)

    await assert_finished(own, wanted)


@pytest.mark.parametrize("request_", [NO_LIMIT, ApplyRequest()], ids=["refused by the server", "held back by the run"])
async def test_memory_that_stays_full_ends_the_run_with_what_to_do_and_what_was_done_is_noted(
    own: RedisStore, monkeypatch: pytest.MonkeyPatch, request_: ApplyRequest
) -> None:
    monkeypatch.setattr(f"{NODE_PASS}._PATIENCE", 0.2)
    monkeypatch.setattr(f"{NODE_PASS}._FULL_PATIENCE", 0.2)
    wanted = await undisturbed(own, a_legacy_store(TENANTS))

    async with own.coordinator(observe=on(("progress", _memory(own, 1)))) as coordinator:
        with pytest.raises(Refused, match="raise maxmemory") as failure:
            await coordinator.apply(request_)
        status = await own.status()

    assert failure.value.exit_code == 16
    assert {state.state for state in status.migrations} == {"incomplete"}
    assert status.holder is None
    assert own.command("HEXISTS", "outpost:migrate:checkpoint", "plan") == 1
    _memory(own, 0)()
    await assert_converges(own, wanted)


async def test_a_heartbeat_gets_through_to_a_full_server(own: RedisStore) -> None:
    async with contextlib.aclosing(own.redis()) as redis:
        lease, owner = RedisLease(redis, prefix="", timings=Timings()), this_process()
        await lease.take(owner.token)
        await lease.introduce(owner, 1)
        own.command("HSET", ".outpost:migration_lock:owner", "heartbeat", 1)
        _memory(own, 1)()

        assert await lease.beat(owner.token, None) is not None

        holder = await lease.holder()
        assert holder is not None
        assert holder.alive


async def test_a_restart_with_persistence_in_the_middle_is_survived(
    new_redis_server: Callable[..., RedisServer],
) -> None:
    server = new_redis_server(settings={"appendonly": "yes", "appendfsync": "always"})
    store = RedisStore(server)
    wanted = await undisturbed(store, a_legacy_store(TENANTS))

    def restart() -> None:
        server.kill()
        server.start()

    async with store.coordinator(observe=on(("progress", restart))) as coordinator:
        await coordinator.apply(ApplyRequest())

    await assert_finished(store, wanted)


async def test_a_restart_without_persistence_is_told_and_nothing_is_applied(own: RedisStore) -> None:
    wanted = await undisturbed(own, a_legacy_store(TENANTS))
    assert isinstance(own.server, RedisServer)
    server = own.server

    def restart() -> None:
        server.kill()
        server.start()

    async with own.coordinator(observe=on(("progress", restart))) as coordinator:
        with pytest.raises(MigrationError, match="restarted without its data") as failure:
            await coordinator.apply(ApplyRequest())

    assert failure.value.exit_code == 13
    assert own.read() == {}  # nothing was written into the empty server
    await assert_not_applied(own)
    own.write(a_legacy_store(TENANTS))  # as from a backup
    await assert_converges(own, wanted)


async def test_a_node_of_a_cluster_that_comes_back_empty_is_told(
    new_redis_cluster: Callable[..., RedisServerCluster],
) -> None:
    store = RedisStore(new_redis_cluster())
    wanted = await undisturbed(store, a_legacy_store(TENANTS))
    node = store.nodes[1]

    def restart() -> None:
        node.kill()
        node.start()

    async with store.coordinator(observe=on(("progress", restart))) as coordinator:
        with pytest.raises(MigrationError, match="restarted without its data"):
            await coordinator.apply(ApplyRequest())
    assert isinstance(store.server, RedisServerCluster)
    store.server.wait_until_ok()
    assert node.command("KEYS", "tenant:*") == []  # a tenant without its destinations would pass for one that lost them
    await assert_not_applied(store)
    store.write(a_legacy_store(TENANTS))
    await assert_converges(store, wanted)


async def test_a_node_that_came_back_empty_between_two_runs_is_written_to_by_neither(
    new_redis_cluster: Callable[..., RedisServerCluster],
) -> None:
    server = new_redis_cluster()
    store = RedisStore(server)
    wanted = await undisturbed(store, a_legacy_store(TENANTS))
    node = server.nodes[(server.home(server.slot(ToolKeys("").checkpoint)) + 1) % 3]  # who has it remembers the others
    async with store.coordinator(observe=on(("checkpoint", lambda: first.cancel()))) as coordinator:
        first = asyncio.create_task(coordinator.apply(ApplyRequest()))
        with pytest.raises(asyncio.CancelledError):
            await first
    node.kill()
    node.start()
    server.wait_until_ok()

    async with store.coordinator() as coordinator:
        with pytest.raises(MigrationError, match="restarted without its data"):
            await coordinator.apply(ApplyRequest())

    assert node.command("KEYS", "tenant:*") == []
    store.write(a_legacy_store(TENANTS))  # as from a backup
    await assert_converges(store, wanted)


@pytest.mark.parametrize("home", [1, 2], ids=["copied into it", "copied from it"])
async def test_a_node_that_comes_back_empty_after_its_own_pass_costs_no_destination(
    new_redis_cluster: Callable[..., RedisServerCluster], home: int
) -> None:
    """Its backup may be restored beside what it holds: nothing lies anywhere that makes a destination look deleted.

    The tenants are read elsewhere, while their summaries and destinations are gone with the node; their new keys lie on
    the node itself, or on one that lives.
    """
    store = RedisStore(new_redis_cluster())
    assert isinstance(store.server, RedisServerCluster)
    server, lost = store.server, 1
    node = store.nodes[lost]
    exposed = _tenants_at(server, tenant={0, 2}, rest={lost}, new={home}, number=20)
    data = {**_tenants_at(server, tenant={0, 2}, rest={0, 2}, new={0, 2}, number=600), **exposed}
    wanted = await undisturbed(store, data)
    copied: list[int] = []

    def restart_once(event: Event) -> None:
        if event.event == "checkpoint" and str(event.fields["node"]).endswith(f":{node.port}") and not copied:
            copied.append(sum(store.command("EXISTS", _new_tenant(key)) for key in exposed if key.count(b":") == 1))
            node.kill()
            node.start()
            server.wait_until_ok()

    async with store.coordinator(observe=restart_once) as coordinator:
        with pytest.raises(MigrationError, match="restarted without its data"):
            await coordinator.apply(ApplyRequest())
    assert copied[0] < 20, "every tenant was copied before the restart, which tells nothing"

    store.write({key: value for key, value in data.items() if server.home(slot_of(key)) == lost})  # as from a backup
    await assert_converges(store, wanted)


def _new_tenant(old: bytes) -> bytes:
    return b"tenant:{%b}:tenant" % old.removeprefix(b"tenant:")


def _tenants_at(
    server: RedisServerCluster, *, tenant: set[int], rest: set[int], new: set[int], number: int
) -> dict[bytes, Value]:
    """Return tenants of three records each whose old record, other old records and new ones lie on the given nodes."""
    found: dict[bytes, Value] = {}
    names = (f"t{candidate}" for candidate in itertools.count())
    while len(found) < 3 * number:
        name = next(names)
        old = a_legacy_tenant(name, "des_1")
        of_tenant, *of_rest = (server.home(slot_of(key)) for key in old)
        if of_tenant in tenant and rest.issuperset(of_rest) and server.home(slot_of(name.encode())) in new:
            found |= old
    return found


async def test_a_slot_that_is_on_its_way_during_a_whole_pass_loses_nothing(cluster: RedisStore) -> None:
    """Its home answers ASK for what it has given away already, and TRYAGAIN for what is half gone."""
    wanted = await undisturbed(cluster, a_legacy_store(TENANTS))
    server = cluster.server
    assert isinstance(server, RedisServerCluster)
    slot = server.slot("tenant:{t7}:tenant")
    target = (server.home(slot) + 1) % 3

    observe = on(
        ("step_started", lambda: server.start_moving(slot, to=target)),
        ("checkpoint", lambda: None),
        ("checkpoint", lambda: server.finish_moving(slot, to=target)),
    )
    async with cluster.coordinator(observe=observe) as coordinator:
        await coordinator.apply(ApplyRequest())

    await assert_finished(cluster, wanted)
    assert server.nodes[target].command("HGET", "tenant:{t7}:tenant", "entity") == b"tenant"
