"""What a queue in memory can do beyond its port: be away when a test says so."""

import asyncio

import pytest

from outpost.domain.errors import QueueUnavailable
from outpost.queues.memory import MemoryBroker, MemoryQueue


async def test_a_broker_that_is_away_takes_nothing_and_gives_nothing() -> None:
    broker = MemoryBroker()
    queue = MemoryQueue(broker)
    await queue.send_many([b"one"])

    broker.go_away("unplugged")

    assert queue.trouble == "unplugged"
    assert not queue.is_connected
    with pytest.raises(QueueUnavailable, match="queue memory is not available: unplugged"):
        await queue.send_many([b"two"])
    receiving = asyncio.create_task(queue.receive())
    await asyncio.sleep(0)
    assert not receiving.done()

    broker.come_back()
    assert [message.body for message in await receiving] == [b"one"]


async def test_the_bodies_that_nobody_holds_can_be_seen() -> None:
    broker = MemoryBroker()
    queue = MemoryQueue(broker, prefetch=1)
    await queue.send_many([b"one", b"two"])

    await queue.receive()

    assert broker.waiting == [b"two"]
