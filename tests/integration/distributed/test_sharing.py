"""Two processes of all roles share the work, and either may stop at any moment."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.distributed import Fleet, StoreServers, running_fleet
from tests.support.process import OutpostProcess
from tests.support.receiver import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(store_servers: StoreServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    with store_servers.fresh_stores() as stores:
        async with running_fleet(
            stores, tmp_path_factory.mktemp("fleet"), ["all", "all"], RETRY_SCHEDULE="1,1"
        ) as fleet:
            yield fleet


async def test_what_one_accepts_both_deliver_and_each_event_arrives_once(fleet: Fleet, receiver: Receiver) -> None:
    first, second = fleet.processes.values()
    await first.destination("shared", receiver.url("/shared"))

    await _publish_in_turn([first], "shared", 300)

    await receiver.until(300, "/shared")
    await fleet.stores.until_all_is_delivered(consumers=2)
    assert set(Counter(request.event_id for request in receiver.requests("/shared")).values()) == {1}
    delivering = [process.log.read_bytes().count(b"delivery.attempted") for process in (first, second)]
    assert min(delivering) > 0


async def test_retries_come_once_whoever_planned_them(fleet: Fleet, receiver: Receiver) -> None:
    receiver.answer("/failing", 500)
    await fleet.api.destination("failing", receiver.url("/failing"))

    await _publish_in_turn(list(fleet.processes.values()), "failing", 100)

    await receiver.until(300, "/failing")
    await fleet.stores.until_all_is_delivered(consumers=2)
    assert set(Counter(request.event_id for request in receiver.requests("/failing")).values()) == {3}


async def test_stopping_one_under_load_loses_nothing_and_repeats_nothing(fleet: Fleet, receiver: Receiver) -> None:
    """Duplicates of what was in flight would be allowed; there are not even those."""
    accepted: list[str] = []
    stopped = asyncio.Event()

    async def publish_to(process: OutpostProcess) -> None:
        while not stopped.is_set():
            try:
                answer = await process.api("POST", "/publish", {"tenant_id": "stopping", "topic": "t", "data": {}})
            except (OSError, EOFError):
                return
            if answer.status == 202:
                accepted.append(answer.json()["id"])

    await fleet.api.destination("stopping", receiver.url("/stopping"))
    async with fleet.joined_by("all") as leaving:
        publishers = [asyncio.create_task(publish_to(process)) for process in (fleet.api, leaving) for _ in range(4)]
        await receiver.until(200, "/stopping")
    stopped.set()
    await asyncio.wait(publishers)

    await receiver.until(len(accepted), "/stopping")
    await fleet.stores.until_all_is_delivered(consumers=2)
    arrived = Counter(request.event_id for request in receiver.requests("/stopping"))
    assert set(arrived) == set(accepted)
    assert set(arrived.values()) == {1}


async def _publish_in_turn(processes: list[OutpostProcess], tenant: str, count: int) -> None:
    async def publish(number: int) -> None:
        process = processes[number % len(processes)]
        answer = await process.api("POST", "/publish", {"tenant_id": tenant, "topic": "t", "data": {"n": number}})
        assert answer.status == 202, answer.body

    for start in range(0, count, 50):
        await asyncio.gather(*[publish(number) for number in range(start, min(start + 50, count))])
