"""What every profile makes in the same way."""

import pytest

from outpost.domain.errors import QueueUnavailable
from outpost.queues.memory import MemoryBroker, MemoryQueue
from outpost.wiring.parts import queue_probe


async def test_a_queue_whose_broker_is_away_is_not_ready_until_it_is_back() -> None:
    broker = MemoryBroker()
    probe = queue_probe(MemoryQueue(broker))
    await probe()

    broker.go_away("connection refused")
    with pytest.raises(QueueUnavailable):
        await probe()

    broker.come_back()
    await probe()
