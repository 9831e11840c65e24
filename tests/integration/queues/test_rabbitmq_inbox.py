"""Reading a queue at RabbitMQ that somebody else owns."""

import asyncio

from outpost.clients.amqp import AmqpOptions, Properties
from outpost.ports.queue import Message
from outpost.queues.rabbitmq_inbox import RabbitMQInbox
from outpost.queues.rabbitmq_prefetch import Prefetch
from tests.support.rabbitmq_queue import opened_channel, take, until


def _inbox(url: str, *, prefetch: int = 10) -> RabbitMQInbox:
    return RabbitMQInbox(AmqpOptions.parse(url, name="inbox"), "theirs", prefetch=Prefetch(prefetch))


async def _create(url: str, **arguments: str) -> None:
    async with opened_channel(url) as channel:
        await channel.queue_declare("theirs", arguments=dict(arguments))
        await channel.queue_declare("dead")


async def _send(url: str, *bodies: bytes) -> None:
    async with opened_channel(url) as channel:
        await channel.confirm_select()
        await channel.publisher(
            exchange="", routing_key="theirs", mandatory=True, properties=Properties(durable=True)
        ).send(bodies)


async def test_a_classic_queue_is_read_as_far_as_the_prefetch_allows(rabbitmq_url: str) -> None:
    await _create(rabbitmq_url)
    await _send(rabbitmq_url, b"one", b"two", b"three")

    async with _inbox(rabbitmq_url, prefetch=1) as inbox:
        for expected in (b"one", b"two", b"three"):
            (message,) = await inbox.receive()
            assert message.body == expected
            inbox.ack([message])


async def test_what_is_refused_goes_to_the_dead_letters_of_its_owner(rabbitmq_url: str) -> None:
    await _create(rabbitmq_url, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    await _send(rabbitmq_url, b"bad")

    async with _inbox(rabbitmq_url) as inbox:
        (message,) = await inbox.receive()
        inbox.refuse(message)

        assert await take(rabbitmq_url, "dead", 1) == [b"bad"]


async def test_what_is_refused_among_what_is_acknowledged_is_neither_lost_nor_the_end_of_the_channel(
    rabbitmq_url: str,
) -> None:
    await _create(rabbitmq_url, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    await _send(rabbitmq_url, b"good", b"bad", b"good", b"good")

    async with _inbox(rabbitmq_url) as inbox:
        messages: list[Message] = []
        while len(messages) < 4:
            messages += await inbox.receive()
        inbox.refuse(messages[1])
        inbox.ack([messages[0], *messages[2:]])

        assert await take(rabbitmq_url, "dead", 1) == [b"bad"]
        await _send(rabbitmq_url, b"next")
        (following,) = await inbox.receive()
        assert (following.body, following.redelivered) == (b"next", False)


async def test_what_is_refused_never_comes_again_where_there_are_no_dead_letters(rabbitmq_url: str) -> None:
    await _create(rabbitmq_url)
    await _send(rabbitmq_url, b"bad", b"good")

    async with _inbox(rabbitmq_url, prefetch=1) as inbox:
        (bad,) = await inbox.receive()
        inbox.refuse(bad)
        (good,) = await inbox.receive()
        assert (bad.body, good.body, good.redelivered) == (b"bad", b"good", False)


async def test_what_was_not_settled_is_lent_again(rabbitmq_url: str) -> None:
    await _create(rabbitmq_url)
    await _send(rabbitmq_url, b"one")
    async with _inbox(rabbitmq_url) as inbox:
        await inbox.receive()

    async with _inbox(rabbitmq_url) as inbox:
        (message,) = await inbox.receive()
        assert (message.body, message.redelivered) == (b"one", True)
        inbox.return_(message)
        (message,) = await inbox.receive()
        inbox.ack([message])


async def test_a_missing_queue_is_waited_for_and_not_created(rabbitmq_url: str) -> None:
    async with _inbox(rabbitmq_url) as inbox:
        receiving = asyncio.ensure_future(inbox.receive())
        await until(lambda: "404" in (inbox.trouble or "") or "NOT_FOUND" in (inbox.trouble or ""))

        await _create(rabbitmq_url)
        await _send(rabbitmq_url, b"one")

        (message,) = await receiving
        assert (message.body, inbox.is_connected) == (b"one", True)
        inbox.ack([message])
