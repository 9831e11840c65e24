"""What a message costs our AMQP client: `python -m benchmarks.amqp [--url amqp://…] [--seconds 3] [--in-flight 100]`.

CPU time of this process per message published and confirmed, and per message consumed and acknowledged, through a
quorum queue of a running broker. Without `--url` one is started for the occasion. Publishing and consuming take turns,
several times, and the median is told, because the machine is shared. `queue.*` is the same through `RabbitMQQueue`.
"""

import argparse
import asyncio
import json
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from outpost.clients.amqp import AmqpOptions, Channel, connect
from outpost.queues.rabbitmq import RabbitMQQueue
from outpost.queues.rabbitmq_topology import Topology
from tests.support.rabbitmq import running_rabbitmq

BODY = b'{"id":"%s"}' % (b"x" * 1000)
TOPOLOGY = Topology("benchmark", "benchmark", "benchmark.dlq")

Figure = tuple[float, float]
"""CPU µs per message, messages per second."""


class Client:
    """The client alone, on one connection."""

    def __init__(self, channel: Channel, in_flight: int) -> None:
        self._channel = channel
        self._in_flight = in_flight
        self._publisher = channel.publisher(exchange=TOPOLOGY.exchange, routing_key=TOPOLOGY.queue)

    async def publish(self, seconds: float) -> int:
        """Send batches one after the other, each when the last is confirmed; return how many messages."""
        end, sent, batch = time.perf_counter() + seconds, 0, [BODY] * self._in_flight
        while time.perf_counter() < end:
            await self._publisher.send(batch)
            sent += len(batch)
        return sent

    async def consume(self, count: int) -> None:
        """Take so many messages; each turn acknowledges what has arrived in it."""
        tags: list[int] = []
        left, done = count, asyncio.Event()
        loop = asyncio.get_running_loop()

        def acknowledge() -> None:
            nonlocal left
            self._channel.ack(tags)
            left -= len(tags)
            tags.clear()
            if not left:
                done.set()

        def take(tag: int, returns: int, body: bytes) -> None:
            if not tags:
                loop.call_soon(acknowledge)
            tags.append(tag)

        await self._channel.qos(self._in_flight)
        consumer = await self._channel.consume(TOPOLOGY.queue, take, done.set)
        await done.wait()
        await self._channel.cancel(consumer)


class ThroughTheQueue:
    """What the pipeline uses."""

    def __init__(self, queue: RabbitMQQueue, in_flight: int) -> None:
        self._queue = queue
        self._in_flight = in_flight

    async def publish(self, seconds: float) -> int:
        end, sent, batch = time.perf_counter() + seconds, 0, [BODY] * self._in_flight
        while time.perf_counter() < end:
            await self._queue.send_many(batch)
            sent += len(batch)
        return sent

    async def consume(self, count: int) -> None:
        while count:
            messages = await self._queue.receive()
            self._queue.ack(messages)
            count -= len(messages)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _measured(work: Callable[[], Awaitable[int]]) -> tuple[Figure, int]:
    cpu, start = _cpu_seconds(), time.perf_counter()
    count = await work()
    elapsed, cpu = time.perf_counter() - start, _cpu_seconds() - cpu
    return (cpu / count * 1e6, count / elapsed), count


async def _turn(name: str, side: Client | ThroughTheQueue, seconds: float, figures: dict[str, list[Figure]]) -> None:
    """Publish for so many seconds, then consume all of it."""
    figure, count = await _measured(lambda: side.publish(seconds))
    figures.setdefault(f"{name}.publish_confirm", []).append(figure)

    async def consume() -> int:
        await side.consume(count)
        return count

    figure, _ = await _measured(consume)
    figures.setdefault(f"{name}.consume_ack", []).append(figure)


async def measure(url: str, chosen: argparse.Namespace) -> dict[str, list[Figure]]:
    options = AmqpOptions.parse(url, name="benchmark")
    figures: dict[str, list[Figure]] = {}
    for _ in range(chosen.turns):
        async with RabbitMQQueue(options, TOPOLOGY, auto_provision=True, prefetch=chosen.in_flight) as queue:
            await _turn("queue", ThroughTheQueue(queue, chosen.in_flight), chosen.seconds, figures)
        connection = await connect(options)
        channel = await connection.channel()
        await channel.confirm_select()
        await _turn("amqp", Client(channel, chosen.in_flight), chosen.seconds, figures)
        await connection.close()
    connection = await connect(options)
    channel = await connection.channel()
    for queue_name in (TOPOLOGY.queue, TOPOLOGY.dead_letters):
        await channel.queue_delete(queue_name)
    await channel.exchange_delete(TOPOLOGY.exchange)
    await connection.close()
    return figures


def run_on(loop_name: str, url: str, chosen: argparse.Namespace) -> dict[str, list[Figure]]:
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if loop_name == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(measure(url, chosen))


def told(loop_name: str, name: str, figures: list[Figure], in_flight: int) -> dict[str, Any]:
    return {
        "figure": name,
        "loop": loop_name,
        "in_flight": in_flight,
        "cpu_us_per_message": round(statistics.median(cpu for cpu, _ in figures), 2),
        "per_second": round(statistics.median(rate for _, rate in figures)),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="", help="of a broker; none starts one")
    arguments.add_argument("--seconds", type=float, default=3.0, help="of publishing in each turn")
    arguments.add_argument("--turns", type=int, default=3)
    arguments.add_argument("--in-flight", type=int, default=100)
    chosen = arguments.parse_args()
    with ExitStack() as stack:
        url = chosen.url or stack.enter_context(running_rabbitmq()).url("%2F")
        for loop_name in ["uvloop", "asyncio"] if sys.platform != "win32" else ["asyncio"]:
            for name, figures in run_on(loop_name, url, chosen).items():
                print(json.dumps(told(loop_name, name, figures, chosen.in_flight)), flush=True)


if __name__ == "__main__":
    main()
