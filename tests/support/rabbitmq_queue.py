"""Queues with names of their own at a running RabbitMQ, and what a test does to them from outside."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from outpost.clients.amqp import AmqpOptions, Channel, connect
from outpost.queues.rabbitmq import RabbitMQQueue
from outpost.queues.rabbitmq_topology import Topology
from tests.support.rabbitmq import RabbitMQServer

_numbers = itertools.count(1)


def a_topology() -> Topology:
    """Return names that no other test of this process uses."""
    number = next(_numbers)
    return Topology(f"exchange-{number}", f"queue-{number}", f"queue-{number}.dlq")


def a_queue(
    url: str, topology: Topology, *, prefetch: int = 20, auto_provision: bool = True, heartbeat: int = 10
) -> RabbitMQQueue:
    separator = "&" if "?" in url else "?"
    options = AmqpOptions.parse(f"{url}{separator}heartbeat={heartbeat}", name=topology.queue)
    return RabbitMQQueue(options, topology, auto_provision=auto_provision, prefetch=prefetch)


@asynccontextmanager
async def opened_channel(url: str) -> AsyncIterator[Channel]:
    connection = await connect(AmqpOptions.parse(url))
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def close_connections(server: RabbitMQServer, name: str) -> None:
    """Have the broker close every connection whose name starts with `name`."""
    listed = await asyncio.to_thread(server.control, "list_connections", "pid", "client_properties")
    for line in listed.splitlines():
        if f'"{name} ' in line:
            await asyncio.to_thread(server.control, "close_connection", line.split("\t")[0], "test")


async def take(url: str, queue: str, count: int) -> Sequence[bytes]:
    """Consume so many messages, waiting for them."""
    bodies: list[bytes] = []
    complete = asyncio.Event()

    def on_message(tag: int, returns: int, body: bytes) -> None:
        bodies.append(body)
        if len(bodies) == count:
            complete.set()

    async with opened_channel(url) as channel:
        await channel.consume(queue, on_message, _nothing)
        await complete.wait()
        channel.ack(range(1, count + 1))
    return bodies


async def until(condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Wait for what another process brings about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def _nothing() -> None: ...
