"""Queues of a test's own at a real RabbitMQ."""

from collections.abc import AsyncIterator

import pytest

from outpost.queues.rabbitmq_topology import Topology
from tests.support.rabbitmq import RabbitMQServer
from tests.support.rabbitmq_queue import a_topology, opened_channel


@pytest.fixture
async def topology(rabbitmq: RabbitMQServer) -> AsyncIterator[Topology]:
    topology = a_topology()
    yield topology
    async with opened_channel(rabbitmq.url("%2F")) as channel:
        await channel.queue_delete(topology.queue)
        await channel.queue_delete(topology.dead_letters)
        await channel.exchange_delete(topology.exchange)
