"""The AMQP client and a real broker."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from outpost.clients.amqp import (
    AmqpChannelClosed,
    AmqpConnectionLost,
    AmqpLoginRefused,
    AmqpNotConnected,
    AmqpOptions,
    AmqpReturned,
    Channel,
    Connection,
    Properties,
    connect,
)
from tests.support.amqp_broker import OPEN_OK, broker_that_says, close, start, tune
from tests.support.certificates import make_certificates
from tests.support.rabbitmq import PASSWORD, RabbitMQServer
from tests.support.tcp_relay import relay


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    connection = await connect(AmqpOptions.parse(url))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def channel(rabbitmq: RabbitMQServer) -> AsyncIterator[Channel]:
    """A channel with confirms, an exchange `x` and in it a queue `q` for the key `k`, deleted at the end."""
    async with connected(rabbitmq.url("%2F")) as connection:
        channel = await connection.channel()
        await declare(channel)
        yield channel
        if connection.is_open:
            channel = await connection.channel()
            await channel.queue_delete("q")
            await channel.exchange_delete("x")


async def declare(channel: Channel) -> None:
    await channel.exchange_declare("x", "topic")
    await channel.queue_declare("q", arguments={"x-queue-type": "quorum", "x-delivery-limit": 5})
    await channel.queue_bind("q", "x", "k")
    await channel.confirm_select()


class Consumed:
    """What a consumer was given."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.tags: list[int] = []
        self.cancelled = asyncio.Event()
        self._news = asyncio.Event()

    def take(self, tag: int, returns: int, body: bytes) -> None:
        self.tags.append(tag)
        self.bodies.append(body)
        self._news.set()

    async def until(self, count: int) -> None:
        while len(self.bodies) < count:
            self._news.clear()
            await self._news.wait()


async def test_bodies_of_every_size_make_the_round(channel: Channel) -> None:
    bodies = [b"", b"x", *(bytes(131_072 - 8 + more) for more in (-1, 0, 1)), bytes(range(256)) * 4096]
    consumed = Consumed()

    await channel.publisher(exchange="x", routing_key="k").send(bodies)
    await channel.consume("q", consumed.take, consumed.cancelled.set)
    await consumed.until(len(bodies))
    channel.ack(consumed.tags)

    assert consumed.bodies == bodies


async def test_every_byte_may_come_alone(rabbitmq: RabbitMQServer, channel: Channel) -> None:
    bodies = [b"one", b"", b"three" * 20]
    consumed = Consumed()
    await channel.publisher(exchange="x", routing_key="k").send(bodies)

    async with relay(rabbitmq.port, piece=1) as between:
        url = urlsplit(rabbitmq.url("%2F"))._replace(netloc=f"outpost:{PASSWORD}@127.0.0.1:{between.port}").geturl()
        async with connected(url) as connection:
            slow = await connection.channel()
            await slow.consume("q", consumed.take, consumed.cancelled.set)
            await consumed.until(3)
            slow.ack(consumed.tags)

    assert consumed.bodies == bodies


async def test_the_broker_accepts_acknowledgements_in_any_order(channel: Channel) -> None:
    await channel.publisher(exchange="x", routing_key="k").send([b"%d" % number for number in range(50)])
    consumed = Consumed()
    await channel.consume("q", consumed.take, consumed.cancelled.set)
    await consumed.until(50)

    for start_at in (3, 1, 4, 0, 2):
        channel.ack(consumed.tags[start_at::5])
        await asyncio.sleep(0)

    assert (await channel.queue_declare("q", passive=True)).messages == 0
    assert channel.is_open


async def test_no_more_than_the_prefetch_is_delivered(channel: Channel) -> None:
    await channel.publisher(exchange="x", routing_key="k").send([b"x"] * 10)
    consumed = Consumed()
    await channel.qos(3)

    await channel.consume("q", consumed.take, consumed.cancelled.set)
    await consumed.until(3)
    await channel.queue_declare("q", passive=True)  # whose answer would come after further deliveries

    assert len(consumed.bodies) == 3


async def test_a_consumer_that_was_ended_gets_no_more(channel: Channel) -> None:
    publisher = channel.publisher(exchange="x", routing_key="k")
    consumed = Consumed()
    tag = await channel.consume("q", consumed.take, consumed.cancelled.set)
    await channel.cancel(tag)

    await publisher.send([b"late"])
    await channel.queue_declare("q", passive=True)

    assert consumed.bodies == []


async def test_a_deleted_queue_ends_its_consumer(channel: Channel) -> None:
    consumed = Consumed()
    await channel.consume("q", consumed.take, consumed.cancelled.set)

    await channel.queue_delete("q")

    await consumed.cancelled.wait()
    await channel.queue_declare("q")  # for the fixture to delete


async def test_what_no_queue_takes_is_an_error_if_that_matters(channel: Channel) -> None:
    await channel.publisher(exchange="x", routing_key="nobody", mandatory=False).send([b"x"])

    with pytest.raises(AmqpReturned, match="NO_ROUTE"):
        await channel.publisher(exchange="x", routing_key="nobody").send([b"x"])
    await channel.publisher(exchange="x", routing_key="k").send([b"x"])


async def test_properties_are_understood(channel: Channel) -> None:
    everything = Properties(
        content_type="application/json",
        headers={"text": "ü", "number": 2**40, "list": [True, None, 1.5], "table": {"bytes": b"\x00"}},
        message_id="m",
        timestamp=1_700_000_000,
    )

    await channel.publisher(exchange="x", routing_key="k", properties=everything).send([b"x"])

    assert (await channel.queue_declare("q", passive=True)).messages == 1


async def test_publishing_to_a_missing_exchange_closes_the_channel(channel: Channel) -> None:
    with pytest.raises(AmqpChannelClosed, match="404 NOT_FOUND - no exchange 'missing'"):
        await channel.publisher(exchange="missing", routing_key="k").send([b"x"])

    assert not channel.is_open


async def test_declaring_a_queue_that_differs_is_refused(channel: Channel) -> None:
    with pytest.raises(AmqpChannelClosed, match="406 PRECONDITION_FAILED") as caught:
        await channel.queue_declare("q", arguments={"x-queue-type": "quorum", "x-delivery-limit": 6})

    assert caught.value.code == 406


async def test_a_wrong_password_is_refused_and_not_shown(rabbitmq: RabbitMQServer) -> None:
    with pytest.raises(AmqpLoginRefused, match="403 ACCESS_REFUSED") as caught:
        await connect(AmqpOptions(host="127.0.0.1", port=rabbitmq.port, user="outpost", password="not-my-secret"))

    assert "not-my-secret" not in str(caught.value)


async def test_a_missing_virtual_host_is_named(rabbitmq: RabbitMQServer) -> None:
    with pytest.raises(AmqpLoginRefused, match="530 NOT_ALLOWED - vhost missing not found"):
        await connect(AmqpOptions.parse(rabbitmq.url("missing")))


async def test_nobody_listening_is_named() -> None:
    with pytest.raises(AmqpNotConnected, match=r"127\.0\.0\.1:1: the connection was refused"):
        await connect(AmqpOptions(host="127.0.0.1", port=1))


async def test_tls_is_verified(rabbitmq: RabbitMQServer, tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files.certificate_file, files.key_file)

    async with relay(rabbitmq.port, tls=tls) as between:
        url = f"amqps://outpost:{PASSWORD}@localhost:{between.port}/"
        async with connected(f"{url}?cacertfile={files.ca_file}") as connection:
            assert (await connection.channel()).is_open

        with pytest.raises(AmqpNotConnected, match=r"TLS failed: .* certificate"):
            await connect(AmqpOptions.parse(url))
        with pytest.raises(AmqpNotConnected, match="TLS failed"):
            await connect(AmqpOptions.parse(f"{url}?cacertfile={files.ca_file}&server_name_indication=other"))


async def test_a_peer_that_falls_silent_is_given_up(rabbitmq: RabbitMQServer) -> None:
    async with relay(rabbitmq.port) as between:
        url = f"amqp://outpost:{PASSWORD}@127.0.0.1:{between.port}/?heartbeat=1"
        async with connected(url) as connection:
            channel = await connection.channel()
            await channel.confirm_select()
            between.hold()
            confirmed = channel.publisher(exchange="", routing_key="q", mandatory=False).send([b"x"])

            with pytest.raises(AmqpConnectionLost, match="no heartbeat"):
                await confirmed


async def test_an_idle_connection_is_kept_by_heartbeats(rabbitmq: RabbitMQServer) -> None:
    async with connected(f"{rabbitmq.url('%2F')}?heartbeat=1") as connection:
        channel = await connection.channel()

        with pytest.raises(TimeoutError):  # either side would have ended it after two seconds of silence
            async with asyncio.timeout(3.5):
                await channel.ended()

        assert channel.is_open


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ([], "no answer within"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "does not speak AMQP"),
        ([b"AMQP\x00\x00\x09\x02"], "another version of AMQP"),
        ([start(), tune(frame_max=7)], "too small"),
        ([start(), tune(), close(0, 541, "INTERNAL_ERROR")], "541 INTERNAL_ERROR"),
        ([start(), tune(), OPEN_OK[:-1] + b"\x00"], "does not end where it should"),
    ],
)
async def test_a_server_that_is_no_broker_is_named(said: list[bytes], what: str) -> None:
    async with broker_that_says(*said) as port:
        with pytest.raises(AmqpNotConnected, match=what):
            await connect(AmqpOptions(host="127.0.0.1", port=port, connect_timeout=0.3))
