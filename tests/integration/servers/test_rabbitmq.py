"""The RabbitMQ that tests ask for is a real one, and each test has its own virtual host."""

import asyncio
from urllib.parse import urlsplit

from tests.support.rabbitmq import RabbitMQServer


async def test_a_test_has_a_virtual_host_of_its_own(rabbitmq: RabbitMQServer, rabbitmq_url: str) -> None:
    name = urlsplit(rabbitmq_url).path.removeprefix("/")

    assert name in rabbitmq.control("list_vhosts").split()
    assert "outpost\t.*\t.*\t.*" in rabbitmq.control("list_permissions", "--vhost", name)


async def test_it_speaks_amqp(rabbitmq_url: str) -> None:
    port = urlsplit(rabbitmq_url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"AMQP\x00\x00\x09\x01")

    frame = await reader.readexactly(11)
    writer.close()

    assert frame[:3] == b"\x01\x00\x00"  # a method frame on channel 0
    assert frame[7:] == b"\x00\x0a\x00\x0a"  # connection.start
