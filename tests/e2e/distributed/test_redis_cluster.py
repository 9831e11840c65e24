"""A whole Outpost whose Redis is a cluster: its keys lie on three servers, and may move while it works."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import OutpostProcess
from tests.support.receiver import Receiver
from tests.support.servers.redis import RedisServerCluster
from tests.support.supervised import running_distributed

_TENANTS = [f"tenant-{number}" for number in range(12)]


@pytest.fixture
def on_cluster(stores: Mapping[str, str], redis_cluster: RedisServerCluster) -> Mapping[str, str]:
    cluster = {"REDIS_PORT": str(redis_cluster.nodes[0].port), "REDIS_CLUSTER_ENABLED": "true"}
    return {**stores, **cluster, "TOPICS": "t", "RETRY_SCHEDULE": "1,1,1"}


async def _publish(outpost: OutpostProcess, tenant: str, event_id: str) -> None:
    event = {"id": event_id, "tenant_id": tenant, "topic": "t", "data": {}}
    answer = await outpost.api("POST", "/publish", event)
    assert answer.status == 202, answer.body


async def _attempts(outpost: OutpostProcess, tenant: str) -> list[tuple[int, str]]:
    """Return number and status of each attempt, in the order of their numbers."""
    found: list[dict[str, Any]] = (await outpost.api("GET", f"/attempts?tenant_id={tenant}")).json()["models"]
    return sorted((attempt["attempt_number"], attempt["status"]) for attempt in found)


async def _until_recorded(outpost: OutpostProcess, tenant: str, wanted: list[tuple[int, str]]) -> None:
    async with asyncio.timeout(20):
        while await _attempts(outpost, tenant) != wanted:
            await asyncio.sleep(0.05)


async def test_tenants_on_every_server_get_their_events_and_retries(
    tmp_path: Path, on_cluster: Mapping[str, str], redis_cluster: RedisServerCluster, receiver: Receiver
) -> None:
    """FIX-8: deliveries that fail are tried again there too."""
    receiver.fail_once_each("/hook")
    async with running_distributed(tmp_path, on_cluster) as outpost:
        destinations = {tenant: await outpost.destination(tenant, receiver.url("/hook")) for tenant in _TENANTS}
        assert all(node.command("DBSIZE") for node in redis_cluster.nodes)

        await asyncio.gather(*(_publish(outpost, tenant, f"evt_{tenant}") for tenant in _TENANTS))
        for tenant in _TENANTS:
            await _until_recorded(outpost, tenant, [(1, "failed"), (2, "success")])

        await _publish(outpost, _TENANTS[0], f"evt_{_TENANTS[0]}")  # accepted before: nothing is sent again
        again = {"event_id": f"evt_{_TENANTS[1]}", "destination_id": destinations[_TENANTS[1]]}
        assert (await outpost.api("POST", "/retry", again)).status == 202
        await _until_recorded(outpost, _TENANTS[1], [(1, "failed"), (2, "success"), (3, "success")])
        assert len(await _attempts(outpost, _TENANTS[0])) == 2

        listed = (await outpost.api("GET", "/tenants?limit=100")).json()["models"]
        assert {tenant["id"] for tenant in listed} == set(_TENANTS)
        for tenant in _TENANTS:
            assert (await outpost.api("DELETE", f"/tenants/{tenant}")).status == 200
        assert (await outpost.api("GET", "/tenants?limit=100")).json()["models"] == []
        assert (await outpost.health("/readyz"))["status"] == "healthy"


async def test_nothing_is_lost_or_refused_while_a_tenant_moves_to_another_server(
    tmp_path: Path, on_cluster: Mapping[str, str], redis_cluster: RedisServerCluster, receiver: Receiver
) -> None:
    slot = redis_cluster.slot("{moving}")
    target = (redis_cluster.home(slot) + 1) % len(redis_cluster.nodes)
    async with running_distributed(tmp_path, on_cluster) as outpost:
        await outpost.destination("moving", receiver.url("/hook"))

        async def publish(first: int) -> None:
            for number in range(first, first + 50):
                await _publish(outpost, "moving", f"evt_{number}")

        await publish(0)
        await asyncio.to_thread(redis_cluster.start_moving, slot, to=target)
        await publish(50)
        moving = asyncio.create_task(asyncio.to_thread(redis_cluster.finish_moving, slot, to=target))
        await publish(100)
        await moving
        await publish(150)

        wanted = {f"evt_{number}" for number in range(200)}
        async with asyncio.timeout(20):
            while receiver.event_ids("/hook") != wanted:
                await asyncio.sleep(0.05)
        assert redis_cluster.nodes[target].command("CLUSTER", "COUNTKEYSINSLOT", slot) > 0
