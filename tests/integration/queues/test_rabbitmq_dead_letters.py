"""FIX-22: dead letters of a queue at RabbitMQ go back to where they died, and none is lost on the way."""

import asyncio
from collections.abc import Sequence

import pytest

from outpost.clients.amqp import AmqpOptions, Channel, Properties, Publisher, ReceivedProperties
from outpost.domain.errors import QueueUnavailable
from outpost.ports.dead_letters import Redriven
from outpost.queues import rabbitmq_dead_letters
from outpost.queues.rabbitmq_dead_letters import RabbitMQDeadLetters
from outpost.queues.rabbitmq_topology import Topology, provision
from tests.support.rabbitmq import RabbitMQServer
from tests.support.rabbitmq_queue import opened_channel, take
from tests.support.servers import free_port


class _Place:
    """A queue with its dead letters; what begins with `bad` cannot be read."""

    def __init__(self, url: str, topology: Topology) -> None:
        self.url = url
        self.topology = topology
        self.letters = RabbitMQDeadLetters(
            AmqpOptions.parse(url, name="outpost"), topology, can_be_read=lambda body: not body.startswith(b"bad")
        )

    async def bury(self, bodies: Sequence[bytes], *, properties: Properties | ReceivedProperties | None = None) -> None:
        await self._send(self.topology.dead_letters, bodies, properties)

    async def let_die(self, body: bytes, *, properties: Properties) -> None:
        """Have the broker move a message to the dead letters, as one that was refused."""
        await self._send(self.topology.queue, [body], properties)
        async with opened_channel(self.url) as channel:
            await channel.consume(self.topology.queue, lambda tag, *_: channel.reject(tag, requeue=False), _nothing)
            await _until_counted(self, 1)

    async def properties_of_a_letter(self) -> bytes:
        """Take one, and return what it says of itself."""
        async with opened_channel(self.url) as channel:
            arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

            def on_message(tag: int, returns: int, body: bytes) -> None:
                arrived.set_result(channel.received_properties.encoded)
                channel.ack([tag])

            await channel.consume(self.topology.dead_letters, on_message, _nothing)
            return await arrived

    async def _send(
        self, queue: str, bodies: Sequence[bytes], properties: Properties | ReceivedProperties | None
    ) -> None:
        async with opened_channel(self.url) as channel:
            await channel.confirm_select()
            publisher = channel.publisher(exchange=self.topology.exchange, routing_key=queue, properties=properties)
            await publisher.send(bodies)


def _nothing() -> None: ...


@pytest.fixture
async def place(rabbitmq: RabbitMQServer, topology: Topology) -> _Place:
    url = rabbitmq.url("%2F")
    await provision(AmqpOptions.parse(url), [topology], create=True)
    return _Place(url, topology)


async def _until_counted(place: _Place, count: int) -> None:
    """Wait until the broker counts what was given back to it."""
    async with asyncio.timeout(20):
        while await place.letters.count() != count:  # noqa: ASYNC110 the broker does not tell
            await asyncio.sleep(0.01)


async def test_they_go_back_in_their_order(place: _Place) -> None:
    bodies = [b"%d" % number for number in range(2_000)]
    await place.bury(bodies)

    assert await place.letters.count() == 2_000
    assert await place.letters.redrive() == Redriven(moved=2_000)

    assert await place.letters.count() == 0
    assert await take(place.url, place.topology.queue, 2_000) == bodies


async def test_no_more_than_were_asked_for_go_back(place: _Place) -> None:
    await place.bury([b"1", b"2", b"3", b"4", b"5"])

    assert await place.letters.redrive(2) == Redriven(moved=2)

    assert await take(place.url, place.topology.queue, 2) == [b"1", b"2"]
    await _until_counted(place, 3)


async def test_no_more_than_were_asked_for_go_back_of_those_that_came_along(
    place: _Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq_dead_letters, "_LENT", 2)
    await place.bury([b"1", b"bad", b"2", b"3", b"4"])

    assert await place.letters.redrive(3) == Redriven(moved=2, left=1)

    assert await take(place.url, place.topology.queue, 2) == [b"1", b"2"]
    await _until_counted(place, 3)


async def test_more_than_lie_there_are_not_waited_for(place: _Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq_dead_letters, "_SILENCE_SECONDS", 60)
    await place.bury([b"1", b"2"])

    async with asyncio.timeout(10):
        assert await place.letters.redrive(1_000) == Redriven(moved=2)


async def test_no_more_are_in_memory_than_are_lent_at_a_time(place: _Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    send = Publisher.send

    def counting(publisher: Publisher, bodies: Sequence[bytes]) -> "asyncio.Future[None]":
        sent.append(len(bodies))
        return send(publisher, bodies)

    await place.bury([b"%d" % number for number in range(50)])
    monkeypatch.setattr(rabbitmq_dead_letters, "_LENT", 5)
    monkeypatch.setattr(Publisher, "send", counting)

    assert await place.letters.redrive() == Redriven(moved=50)

    assert max(sent) <= 5


async def test_two_who_send_back_at_once_send_each_of_them_once(place: _Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq_dead_letters, "_SILENCE_SECONDS", 0.2)
    bodies = [b"%03d" % number for number in range(300)]
    await place.bury(bodies)

    first, second = await asyncio.gather(place.letters.redrive(), place.letters.redrive())

    assert first.moved + second.moved == 300
    assert sorted(await take(place.url, place.topology.queue, 300)) == bodies


async def test_what_cannot_be_read_stays(place: _Place) -> None:
    await place.bury([b"bad one", b"good", b"bad two"])

    assert await place.letters.redrive() == Redriven(moved=1, left=2)
    assert await place.letters.redrive() == Redriven(left=2)

    assert await take(place.url, place.topology.queue, 1) == [b"good"]
    assert sorted(await take(place.url, place.topology.dead_letters, 2)) == [b"bad one", b"bad two"]


async def test_what_cannot_be_read_still_tells_when_and_why_it_died(place: _Place) -> None:
    said = Properties(content_type="text/plain", message_id="m-1", headers={"from": "elsewhere"})
    await place.let_die(b"bad", properties=said)

    assert await place.letters.redrive() == Redriven(left=1)

    properties = await place.properties_of_a_letter()
    for kept in (b"x-death", b"rejected", place.topology.queue.encode(), b"text/plain", b"m-1", b"elsewhere"):
        assert kept in properties


async def test_one_that_names_its_publisher_can_be_kept_only_without(place: _Place) -> None:
    user = place.url.partition("://")[2].partition(":")[0].encode()
    await place.bury([b"bad"], properties=ReceivedProperties(bytes([0x00, 0x10, len(user)]) + user))

    assert await place.letters.redrive() == Redriven(left=1)

    assert user not in await place.properties_of_a_letter()


async def test_none_is_nothing_to_do(place: _Place) -> None:
    assert await place.letters.redrive() == Redriven()


async def test_one_that_is_not_stored_at_home_is_not_removed(place: _Place) -> None:
    await place.bury([b"1", b"2"])
    async with opened_channel(place.url) as channel:
        await channel.queue_delete(place.topology.queue)

    with pytest.raises(QueueUnavailable):
        await place.letters.redrive()

    await _until_counted(place, 2)


async def test_one_that_was_sent_and_not_removed_is_there_twice_and_never_lost(
    place: _Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the two."""

    class _Killed(Exception): ...

    def dies(*_: object) -> None:
        raise _Killed

    await place.bury([b"1"])
    with monkeypatch.context() as before_acknowledging:
        before_acknowledging.setattr(Channel, "ack", dies)
        with pytest.raises(_Killed):
            await place.letters.redrive()

    await _until_counted(place, 1)
    assert await take(place.url, place.topology.queue, 1) == [b"1"]


async def test_in_a_queue_that_was_never_created_nothing_lies(rabbitmq: RabbitMQServer) -> None:
    nowhere = RabbitMQDeadLetters(
        AmqpOptions.parse(rabbitmq.url("%2F")), Topology("x", "y", "y.dead"), can_be_read=lambda _: True
    )

    assert await nowhere.count() == 0
    assert await nowhere.redrive() == Redriven()


async def test_a_queue_that_cannot_be_looked_at_is_not_taken_for_an_empty_one(rabbitmq: RabbitMQServer) -> None:
    url = rabbitmq.url("%2F")
    async with opened_channel(url) as channel:
        await channel.queue_declare("another's", durable=False, exclusive=True)
        letters = RabbitMQDeadLetters(
            AmqpOptions.parse(url), Topology("x", "y", "another's"), can_be_read=lambda _: True
        )

        with pytest.raises(QueueUnavailable, match="another's is not available"):
            await letters.count()


async def test_a_broker_that_is_away_is_named() -> None:
    port = free_port()
    letters = RabbitMQDeadLetters(
        AmqpOptions.parse(f"amqp://127.0.0.1:{port}"), Topology("x", "y", "y.dead"), can_be_read=lambda _: True
    )

    with pytest.raises(QueueUnavailable, match=rf"y\.dead is not available: .*{port}"):
        await letters.count()


async def test_a_broker_that_does_not_confirm_is_not_waited_for_for_ever(
    place: _Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.bury([b"1"])
    with monkeypatch.context() as silent:
        silent.setattr(rabbitmq_dead_letters, "_CONFIRM_SECONDS", 0.05)
        silent.setattr(Publisher, "send", lambda self, bodies: asyncio.get_running_loop().create_future())
        with pytest.raises(QueueUnavailable, match="does not confirm"):
            await place.letters.redrive()

    await _until_counted(place, 1)
