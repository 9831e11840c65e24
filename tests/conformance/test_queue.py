"""The drivers of the queue keep their port's promises."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from outpost.conformance.queue import PREFETCH, QueueConformance, QueueHarness
from outpost.queues.memory import MemoryBroker, MemoryQueue
from tests.support.rabbitmq import RabbitMQServer
from tests.support.rabbitmq_queue import a_queue, a_topology, close_connections, opened_channel, take


class TestMemoryQueue(QueueConformance):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[QueueHarness]:
        broker = MemoryBroker()

        async def dead_letters(count: int) -> Sequence[bytes]:
            return broker.dead_letters[:count]

        async with MemoryQueue(broker, prefetch=PREFETCH) as queue:
            yield QueueHarness(
                queue=queue,
                another=partial(MemoryQueue, broker, prefetch=PREFETCH),
                lose_connections=queue.lose_connection,
                dead_letters=dead_letters,
            )


class TestRabbitMQQueue(QueueConformance):
    @pytest.fixture
    async def harness(self, rabbitmq: RabbitMQServer) -> AsyncIterator[QueueHarness]:
        url, topology = rabbitmq.url("%2F"), a_topology()
        another = partial(a_queue, url, topology, prefetch=PREFETCH)
        async with another() as queue:
            yield QueueHarness(
                queue=queue,
                another=another,
                lose_connections=partial(close_connections, rabbitmq, topology.queue),
                dead_letters=partial(take, url, topology.dead_letters),
                returns_count=True,  # RabbitMQ before 4.3, which is what can be installed here
                deliveries=2,  # what comes back more often is taken for the victim of crashes
            )
        async with opened_channel(url) as channel:
            await channel.queue_delete(topology.queue)
            await channel.queue_delete(topology.dead_letters)
            await channel.exchange_delete(topology.exchange)
