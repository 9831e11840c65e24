"""A run whose line to Redis is slow, cut, silent or loses replies ends in the same bytes, or says that it did not."""

import asyncio

import pytest

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.errors import LeaseLost, Unreachable
from outpost.migrations.lease import Timings
from tests.migrations.redis.disturbance import NODE_PASS, behind_proxies, on
from tests.migrations.redis.outcomes import assert_converges, assert_finished, assert_not_applied, undisturbed
from tests.migrations.redis.test_runs import a_legacy_store
from tests.support.fault_proxy import FaultProxy
from tests.support.redis_store import RedisStore

TENANTS = 200

pytestmark = pytest.mark.usefixtures("many_pages")


@pytest.mark.parametrize("after", [0, 1, 1_500])
async def test_a_lost_reply_in_the_middle_of_a_batch_counts_nothing_twice(single: RedisStore, after: int) -> None:
    wanted = await undisturbed(single, a_legacy_store(TENANTS))
    async with behind_proxies(single) as (store, (proxy,)):
        observe = on(("progress", lambda: proxy.lose_replies(after=after)))
        async with store.coordinator(observe=observe) as coordinator:
            await coordinator.apply(ApplyRequest())

        assert proxy.lost.is_set()
    books = await assert_finished(single, wanted)
    assert books.matched == 3 * TENANTS  # what was done before its reply was lost is `already`, not `migrated` again


async def test_a_lost_reply_before_the_work_begins_leaves_nothing_behind(single: RedisStore) -> None:
    wanted = await undisturbed(single, a_legacy_store(TENANTS))
    async with behind_proxies(single) as (store, (proxy,)):
        observe = on(("step_started", proxy.lose_replies))
        async with store.coordinator(observe=observe) as coordinator:
            with pytest.raises(Unreachable):
                await coordinator.apply(ApplyRequest())

    await assert_not_applied(single)
    await assert_converges(single, wanted)


@pytest.mark.parametrize("fault", ["lose_replies", "reset", "cut"])
async def test_a_node_of_a_cluster_may_lose_connections_in_the_middle(cluster: RedisStore, fault: str) -> None:
    wanted = await undisturbed(cluster, a_legacy_store(TENANTS))
    async with behind_proxies(cluster) as (store, proxies):
        observe = on(("progress", getattr(proxies[1], fault)))
        async with store.coordinator(observe=observe) as coordinator:
            await coordinator.apply(ApplyRequest())

    books = await assert_finished(cluster, wanted)
    assert books.matched == 3 * TENANTS


@pytest.mark.parametrize("fault", ["reset", "cut"])
async def test_a_connection_that_breaks_in_the_middle_is_opened_again(single: RedisStore, fault: str) -> None:
    wanted = await undisturbed(single, a_legacy_store(TENANTS))
    async with behind_proxies(single) as (store, (proxy,)):
        observe = on(("progress", getattr(proxy, fault)))
        async with store.coordinator(observe=observe) as coordinator:
            await coordinator.apply(ApplyRequest())

        assert proxy.connections > 2  # work and lock had one each
    await assert_finished(single, wanted)


async def test_a_server_that_refuses_connections_for_a_while_is_waited_for(single: RedisStore) -> None:
    wanted = await undisturbed(single, a_legacy_store(TENANTS))
    async with behind_proxies(single) as (store, (proxy,)):
        observe = on(("progress", proxy.refuse), ("throttled", proxy.forward))
        async with store.coordinator(observe=observe) as coordinator:
            await coordinator.apply(ApplyRequest())

    await assert_finished(single, wanted)


async def test_a_server_that_is_silent_for_a_while_is_waited_for(store: RedisStore) -> None:
    wanted = await undisturbed(store, a_legacy_store(TENANTS))
    async with behind_proxies(store, response_timeout=0.5) as (seen, proxies):
        observe = on(("progress", proxies[-1].silence), ("throttled", proxies[-1].forward))
        async with seen.coordinator(observe=observe) as coordinator:
            await coordinator.apply(ApplyRequest())

    await assert_finished(store, wanted)


async def test_a_server_that_stays_silent_is_told_as_unreachable(
    single: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{NODE_PASS}._PATIENCE", 0.3)
    wanted = await undisturbed(single, a_legacy_store(TENANTS))
    async with behind_proxies(single, response_timeout=0.3) as (store, (proxy,)):
        observe = on(("progress", proxy.silence))
        async with store.coordinator(observe=observe) as coordinator:
            with pytest.raises(Unreachable, match=r"no answer within") as failure:
                await coordinator.apply(ApplyRequest())

    assert failure.value.exit_code == 17
    await _unlocked(single)
    await assert_not_applied(single)
    await assert_converges(single, wanted)


async def test_a_store_out_of_reach_is_the_reason_given_when_the_lock_ran_out_meanwhile(single: RedisStore) -> None:
    timings = Timings(heartbeat=0.1, quiet=1.0, stale=60)
    wanted = await undisturbed(single, a_legacy_store(TENANTS))
    async with FaultProxy(single.nodes[0].port) as proxy:
        store = RedisStore(single.server, port=proxy.port, response_timeout=0.3, timings=timings)
        async with store.coordinator(observe=on(("progress", proxy.silence))) as coordinator:
            with pytest.raises(Unreachable, match=r"no answer within"):
                await coordinator.apply(ApplyRequest())

    await _unlocked(single)
    await assert_converges(single, wanted)


async def test_a_run_whose_heartbeats_do_not_get_through_ends_although_its_work_does(single: RedisStore) -> None:
    timings = Timings(heartbeat=0.05, quiet=0.5, stale=60)
    wanted = await undisturbed(single, a_legacy_store(TENANTS))
    async with FaultProxy(single.nodes[0].port) as proxy:
        store = RedisStore(single.server, lease_port=proxy.port, response_timeout=1.0, timings=timings)
        async with store.coordinator(observe=on(("progress", proxy.silence))) as coordinator:
            with pytest.raises(LeaseLost, match="no heartbeat got through"):
                await coordinator.apply(ApplyRequest())

    await _unlocked(single)
    await assert_not_applied(single)
    await assert_converges(single, wanted)


async def test_a_hundred_milliseconds_of_round_trip_change_nothing(single: RedisStore) -> None:
    wanted = await undisturbed(single, a_legacy_store(20))
    async with behind_proxies(single) as (store, (proxy,)):
        proxy.delay(milliseconds=50)
        async with asyncio.timeout(30), store.coordinator() as coordinator:
            await coordinator.apply(ApplyRequest())

    await assert_finished(single, wanted)


async def _unlocked(store: RedisStore) -> None:
    """Revoke what a run could not release, because it did not reach the server any more."""
    async with store.coordinator() as coordinator:
        await coordinator.unlock()
