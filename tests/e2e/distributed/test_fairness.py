"""One receiver that hangs and one that refuses, with more behind them than the broker lends, among healthy ones."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from outpost.wiring.queues import DELIVERY_PREFETCH
from tests.support.process import OutpostProcess
from tests.support.receiver import Receiver
from tests.support.supervised import running_distributed

_HEALTHY = [f"/healthy{number}" for number in range(3)]
_BACKLOG = DELIVERY_PREFETCH + 500
_EVENTS = 100


async def _publish(outpost: OutpostProcess, tenant: str, count: int) -> None:
    places = asyncio.Semaphore(64)

    async def publish() -> None:
        async with places:
            answer = await outpost.api("POST", "/publish", {"tenant_id": tenant, "topic": "t", "data": {}})
            assert answer.status == 202, answer.body

    await asyncio.gather(*(publish() for _ in range(count)))


async def test_healthy_receivers_are_served_and_what_hung_arrives_once_it_recovers(
    tmp_path: Path, stores: Mapping[str, str], receiver: Receiver
) -> None:
    receiver.hold("/hanging")
    receiver.answer("/refusing", 500)
    settings = {"DELIVERY_TIMEOUT_SECONDS": "2", "RETRY_SCHEDULE": "5,5,5,5,5,5", "LOG_LEVEL": "info"}
    async with running_distributed(tmp_path, stores, **settings) as outpost:
        for path in ("/hanging", "/refusing", *_HEALTHY):
            await outpost.destination(path[1:], receiver.url(path))
        await _publish(outpost, "hanging", _BACKLOG)
        await _publish(outpost, "refusing", _EVENTS)

        for path in _HEALTHY:
            await _publish(outpost, path[1:], _EVENTS)
        for path in _HEALTHY:
            await receiver.until(_EVENTS, path, seconds=30)
        assert "deliveries of a slow destination parked" in outpost.log.read_text()
        assert len(receiver.event_ids("/hanging")) < _BACKLOG / 2
        assert await outpost.healthy()

        receiver.let_go("/hanging")

        async with asyncio.timeout(90):
            while len(receiver.event_ids("/hanging")) < _BACKLOG:
                await asyncio.sleep(0.1)
        await receiver.until(_EVENTS, "/refusing")
