"""What happens to a queue at RabbitMQ when something goes wrong there."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from outpost.clients.amqp import AmqpOptions, Channel, Connection
from outpost.conformance.queue import drain, receive
from outpost.domain.errors import QueueUnavailable
from outpost.queues import rabbitmq_prefetch
from outpost.queues.rabbitmq import RabbitMQQueue
from outpost.queues.rabbitmq_link import Link
from outpost.queues.rabbitmq_topology import Topology
from tests.support.rabbitmq import PASSWORD, RabbitMQServer
from tests.support.rabbitmq_queue import a_queue, a_topology, close_connections, opened_channel, until
from tests.support.tcp_relay import relay


@pytest.fixture
async def queue(rabbitmq: RabbitMQServer, topology: Topology) -> AsyncIterator[RabbitMQQueue]:
    async with a_queue(rabbitmq.url("%2F"), topology) as queue:
        yield queue


@contextmanager
def short_of_memory(server: RabbitMQServer) -> Iterator[None]:
    server.control("set_vm_memory_high_watermark", "absolute", "1")
    try:
        yield
    finally:
        server.control("set_vm_memory_high_watermark", "0.4")


async def use(queue: RabbitMQQueue, body: bytes = b"first") -> None:
    """Open both directions."""
    await queue.send_many([body])
    assert await drain(queue, 1) == [body]


async def send_until_stored(queue: RabbitMQQueue, body: bytes) -> None:
    while True:
        try:
            await queue.send_many([body])
        except QueueUnavailable:
            continue
        return


async def test_what_was_confirmed_arrives_though_connections_are_closed_all_the_time(
    rabbitmq: RabbitMQServer, queue: RabbitMQQueue, topology: Topology
) -> None:
    """FIX-6: consumers come back by themselves, and so do publishers."""
    await use(queue)
    bodies = {b"%d" % number for number in range(300)}
    received: set[bytes] = set()
    sending_goes_on = True

    async def send() -> None:
        for body in bodies:
            await send_until_stored(queue, body)

    async def keep_receiving() -> None:
        while True:
            messages = await queue.receive()
            received.update(message.body for message in messages)
            queue.ack(messages)

    async def keep_closing() -> None:
        while sending_goes_on:
            await close_connections(rabbitmq, topology.queue)

    receiving = asyncio.create_task(keep_receiving())
    closing = asyncio.create_task(keep_closing())
    await send()
    sending_goes_on = False
    await closing
    await until(lambda: received >= bodies)
    receiving.cancel()
    await asyncio.wait([receiving])

    assert received == bodies


async def test_work_goes_on_as_soon_as_the_broker_is_back(rabbitmq: RabbitMQServer, queue: RabbitMQQueue) -> None:
    """FIX-6: away for a while, unhealthy meanwhile, and no message is lost."""
    await use(queue)
    await queue.send_many([b"before"])
    held = await receive(queue, 1)
    receiving = asyncio.create_task(receive(queue, 1))

    await asyncio.to_thread(rabbitmq.control, "stop_app")
    try:
        started = time.monotonic()
        with pytest.raises(QueueUnavailable, match=r"the connection was refused|not ready"):
            await queue.send_many([b"while it is away"])
        assert time.monotonic() - started < 3
        assert not queue.is_connected
        assert "127.0.0.1" in (queue.trouble or "")
        assert not receiving.done()
    finally:
        await asyncio.to_thread(rabbitmq.control, "start_app")
        back = time.monotonic()

    (again,) = await receiving
    assert time.monotonic() - back < 5
    assert (again.body, again.redelivered) == (b"before", True)
    queue.ack(held)  # of the connection that was lost
    queue.ack([again])
    await queue.send_many([b"after"])
    assert await drain(queue, 1) == [b"after"]
    assert queue.is_connected


async def test_a_broker_that_takes_nothing_is_unavailable_for_as_long_as_it_says_so(
    rabbitmq: RabbitMQServer, queue: RabbitMQQueue
) -> None:
    """It is told by `connection.blocked` with the first publication after the alarm, which is stored later or never."""
    await use(queue)
    with short_of_memory(rabbitmq):
        with pytest.raises(QueueUnavailable, match="takes nothing now"):
            await queue.send_many([b"one"])
        assert "takes nothing now" in (queue.trouble or "")
        with pytest.raises(QueueUnavailable, match="takes nothing now"):
            await queue.send_many([b"two"])

    await until(lambda: queue.is_connected)
    await queue.send_many([b"three"])
    assert b"three" in await drain(queue, 2)


async def test_a_queue_that_was_deleted_is_made_anew_by_whoever_receives(
    rabbitmq: RabbitMQServer, queue: RabbitMQQueue, topology: Topology
) -> None:
    await use(queue)
    receiving = asyncio.create_task(receive(queue, 1))

    async with opened_channel(rabbitmq.url("%2F")) as channel:
        await channel.queue_delete(topology.queue)

    await send_until_stored(queue, b"after")
    assert [message.body for message in await receiving] == [b"after"]


async def test_a_queue_that_was_deleted_is_made_anew_by_whoever_sends(
    rabbitmq: RabbitMQServer, queue: RabbitMQQueue, topology: Topology
) -> None:
    await queue.send_many([b"before"])
    async with opened_channel(rabbitmq.url("%2F")) as channel:
        await channel.queue_delete(topology.queue)

    with pytest.raises(QueueUnavailable, match="no queue takes what is sent"):
        await queue.send_many([b"nobody takes this"])

    await send_until_stored(queue, b"after")
    assert await drain(queue, 1) == [b"after"]


async def test_an_exchange_that_was_deleted_is_made_anew(
    rabbitmq: RabbitMQServer, queue: RabbitMQQueue, topology: Topology
) -> None:
    await use(queue)
    async with opened_channel(rabbitmq.url("%2F")) as channel:
        await channel.exchange_delete(topology.exchange)

    with pytest.raises(QueueUnavailable, match="404"):
        await queue.send_many([b"lost"])

    await send_until_stored(queue, b"after")
    assert await drain(queue, 1) == [b"after"]


async def test_a_missing_queue_that_is_not_to_be_created_is_waited_for(
    rabbitmq: RabbitMQServer, topology: Topology
) -> None:
    url = rabbitmq.url("%2F")
    async with a_queue(url, topology, auto_provision=False) as queue:
        receiving = asyncio.create_task(receive(queue, 1))
        with pytest.raises(QueueUnavailable, match=f"no queue '{topology.queue}'"):
            await queue.send_many([b"one"])
        assert not queue.is_connected

        async with a_queue(url, topology) as other:
            await other.send_many([b"two"])

        assert [message.body for message in await receiving] == [b"two"]


async def test_a_wrong_password_is_told_and_not_shown(rabbitmq: RabbitMQServer) -> None:
    options = AmqpOptions(host="127.0.0.1", port=rabbitmq.port, user="outpost", password="not-my-secret")
    async with RabbitMQQueue(options, a_topology(), auto_provision=True, prefetch=1) as queue:
        with pytest.raises(QueueUnavailable, match="does not let us in: 403 ACCESS_REFUSED") as caught:
            await queue.send_many([b"one"])

    assert "not-my-secret" not in str(caught.value)


async def test_a_cable_that_is_pulled_is_noticed_by_the_silence(rabbitmq: RabbitMQServer, topology: Topology) -> None:
    async with relay(rabbitmq.port) as between:
        url = f"amqp://outpost:{PASSWORD}@127.0.0.1:{between.port}/"
        async with a_queue(url, topology, heartbeat=1) as queue:
            await use(queue)
            receiving = asyncio.create_task(receive(queue, 1))

            between.hold()
            await until(lambda: not queue.is_connected)
            between.go_on()

            await send_until_stored(queue, b"after")
            assert [message.body for message in await receiving] == [b"after"]


async def test_a_connection_that_is_reset_while_sending_leaves_it_open_what_was_stored(
    rabbitmq: RabbitMQServer, topology: Topology
) -> None:
    async with relay(rabbitmq.port) as between:
        url = f"amqp://outpost:{PASSWORD}@127.0.0.1:{between.port}/"
        async with a_queue(url, topology) as queue:
            await use(queue)
            sending = asyncio.create_task(queue.send_many([b"x" * 100_000] * 20))
            await asyncio.sleep(0)
            between.cut()

            with pytest.raises(QueueUnavailable):
                await sending


async def test_every_byte_from_the_broker_may_come_alone(rabbitmq: RabbitMQServer, topology: Topology) -> None:
    async with relay(rabbitmq.port, piece=1) as between:
        url = f"amqp://outpost:{PASSWORD}@127.0.0.1:{between.port}/"
        async with a_queue(url, topology) as queue:
            await queue.send_many([b"one", b"", b"three"])

            assert sorted(await drain(queue, 3)) == [b"", b"one", b"three"]


async def test_messages_outlive_a_crash_of_the_broker(rabbitmq: RabbitMQServer, queue: RabbitMQQueue) -> None:
    await queue.send_many([b"%d" % number for number in range(50)])

    rabbitmq.kill()
    rabbitmq.start()  # here, since it ends with the thread that starts it

    assert len(set(await drain(queue, 50))) == 50


async def test_closing_a_queue_at_a_broker_that_is_away_takes_no_time() -> None:
    options = AmqpOptions(host="127.0.0.1", port=1)
    async with RabbitMQQueue(options, a_topology(), auto_provision=True, prefetch=1) as queue:
        receiving = asyncio.create_task(queue.receive())
        with pytest.raises(QueueUnavailable, match="the connection was refused"):
            await queue.send_many([b"one"])
        receiving.cancel()
        started = time.monotonic()

    assert time.monotonic() - started < 2


async def test_large_messages_are_held_by_their_bytes_and_all_arrive(
    rabbitmq: RabbitMQServer, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded whatever the size of messages: here at 100 KB, with 20 KB each."""
    monkeypatch.setattr(rabbitmq_prefetch, "MOST_BYTES", 100_000)
    bodies = {b"%03d" % number + b"x" * 20_000 for number in range(40)}
    async with a_queue(rabbitmq.url("%2F"), topology) as queue:
        await queue.send_many(list(bodies))
        arrived: set[bytes] = set()
        held: list[int] = []
        async with asyncio.timeout(20):
            while arrived != bodies:
                messages = await queue.receive()
                held.append(len(messages))
                arrived |= {message.body for message in messages}
                queue.ack(messages)

    assert max(held) <= 5


async def test_what_is_settled_makes_room_for_more_bytes(
    rabbitmq: RabbitMQServer, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much goes through, nothing is taken back as long as little is held at once."""
    monkeypatch.setattr(rabbitmq_prefetch, "MOST_BYTES", 100_000)
    async with a_queue(rabbitmq.url("%2F"), topology, prefetch=2) as queue:
        await queue.send_many([b"%03d" % number + b"x" * 20_000 for number in range(40)])
        came_again: list[bool] = []
        async with asyncio.timeout(20):
            while len(came_again) < 40:
                for message in await queue.receive():
                    came_again.append(message.redelivered)
                    queue.ack([message])

    assert not any(came_again)


async def test_a_link_that_is_renewed_while_it_is_made_ready_connects_anew(
    rabbitmq: RabbitMQServer, topology: Topology
) -> None:
    """The first messages, or the end of the consumer, may arrive together with the answer to the last question."""
    prepared: list[Channel] = []

    async def prepare(connection: Connection) -> Channel:
        prepared.append(await connection.channel())
        if len(prepared) == 1:
            link.renew("too large")
        return prepared[-1]

    link = Link(AmqpOptions.parse(rabbitmq.url("%2F")), prepare=prepare, down=lambda: None)
    link.check()
    await until(lambda: len(prepared) == 2 and link.trouble is None)
    await link.stop()

    assert not prepared[0].is_open
