"""What is created at RabbitMQ, and what is only looked at."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from outpost.clients.amqp import AmqpOptions
from outpost.domain.errors import ConfigurationError, QueueUnavailable
from outpost.queues.rabbitmq_topology import Topology, provision
from tests.support.rabbitmq import RabbitMQServer
from tests.support.rabbitmq_queue import a_queue, opened_channel

DELIVERY = Topology("outpost", "outpost-delivery", "outpost-delivery.dlq")
LOG = Topology("outpost", "outpost-log", "dead-log")


class Host:
    """A virtual host, and a look into it."""

    def __init__(self, server: RabbitMQServer, url: str) -> None:
        self.url = url
        self.name = url.rpartition("/")[2]
        self._server = server

    async def provision(self, *topologies: Topology, create: bool = True) -> None:
        await provision(AmqpOptions.parse(self.url), topologies, create=create)

    def listed(self, things: str, *columns: str) -> list[dict[str, Any]]:
        text = self._server.control("--formatter", "json", things, "--vhost", self.name, *columns)
        return json.loads(text)

    def control(self, *arguments: str) -> None:
        self._server.control(*arguments)


@pytest.fixture
def host(rabbitmq: RabbitMQServer, rabbitmq_url: str) -> Host:
    return Host(rabbitmq, rabbitmq_url)


async def test_it_is_created_as_the_reference_creates_it(host: Host) -> None:
    await host.provision(DELIVERY, LOG)

    exchanges = host.listed("list_exchanges", "name", "type", "durable", "auto_delete", "internal")
    kind = {"type": "topic", "durable": True, "auto_delete": False, "internal": False}
    assert {"name": "outpost", **kind} in exchanges
    queues = {queue["name"]: queue for queue in host.listed("list_queues", "name", "durable", "arguments")}
    assert queues.keys() == {"outpost-delivery", "outpost-delivery.dlq", "outpost-log", "dead-log"}
    assert all(queue["durable"] for queue in queues.values())
    assert _arguments(queues["outpost-log"]) == {
        "x-dead-letter-exchange": "outpost",
        "x-dead-letter-routing-key": "dead-log",
        "x-delivery-limit": 5,
        "x-queue-type": "quorum",
    }
    assert _arguments(queues["dead-log"]) == {"x-queue-type": "quorum"}
    bindings = host.listed("list_bindings", "source_name", "destination_name", "routing_key")
    bound = {(each["destination_name"], each["routing_key"]) for each in bindings if each["source_name"] == "outpost"}
    assert bound == {(name, name) for name in queues}


async def test_what_is_there_already_is_left_as_it_is(host: Host) -> None:
    """An operator may have made the queues in another way."""
    async with opened_channel(host.url) as channel:
        await channel.exchange_declare("outpost", "topic")
        await channel.queue_declare(DELIVERY.queue)
        await channel.queue_declare(DELIVERY.dead_letters)

    await host.provision(DELIVERY)

    queues = host.listed("list_queues", "name", "arguments")
    assert all(queue["arguments"] == [] for queue in queues)


async def test_many_processes_may_create_it_together(host: Host) -> None:
    """Declaring is safe to repeat, so nobody needs a lock for it."""
    async with asyncio.TaskGroup() as starting:
        for _ in range(4):
            starting.create_task(host.provision(DELIVERY, LOG))

    assert len(host.listed("list_queues", "name")) == 4


async def test_queues_that_were_never_bound_are_bound(host: Host) -> None:
    """Whoever created them may have been interrupted."""
    async with opened_channel(host.url) as channel:
        await channel.exchange_declare("outpost", "topic")
        await channel.queue_declare(DELIVERY.queue)
        await channel.queue_declare(DELIVERY.dead_letters)

    async with a_queue(host.url, DELIVERY) as queue:
        await queue.send_many([b"one"])


async def test_a_queue_that_differs_is_named_when_something_else_is_missing(host: Host) -> None:
    async with opened_channel(host.url) as channel:
        await channel.queue_declare(DELIVERY.queue)

    with pytest.raises(
        ConfigurationError,
        match=r"queue 'outpost-delivery' exists already and is not as .* MQS_AUTO_PROVISION=false .*406 PRECONDITION",
    ):
        await host.provision(DELIVERY)


async def test_an_exchange_of_another_type_is_named(host: Host) -> None:
    async with opened_channel(host.url) as channel:
        await channel.exchange_declare("outpost", "direct")

    with pytest.raises(ConfigurationError, match="exchange 'outpost' exists already and is not as"):
        await host.provision(DELIVERY)


async def test_what_is_missing_and_not_to_be_created_is_named(host: Host) -> None:
    async with opened_channel(host.url) as channel:
        await channel.queue_declare(DELIVERY.queue)

    with pytest.raises(
        ConfigurationError, match=r"no exchange 'outpost', no queue 'outpost-delivery.dlq'; .*MQS_AUTO_PROVISION=true"
    ):
        await host.provision(DELIVERY, create=False)

    assert len(host.listed("list_queues", "name")) == 1


async def test_what_is_there_needs_no_creating(host: Host) -> None:
    await host.provision(DELIVERY)

    await host.provision(DELIVERY, create=False)


@pytest.fixture
def confined(host: Host) -> Iterator[str]:
    """The URL of a user who may use queues and create none."""
    host.control("add_user", "confined", "secret")
    host.control("set_permissions", "--vhost", host.name, "confined", "^$", "^outpost$", ".*")
    yield host.url.replace("//outpost:", "//confined:")
    host.control("delete_user", "confined")


async def test_a_user_who_may_not_create_is_told(confined: str) -> None:
    with pytest.raises(ConfigurationError, match=r"exchange 'outpost' may not be seen or created .*403 ACCESS_REFUSED"):
        await provision(AmqpOptions.parse(confined), [DELIVERY], create=True)


async def test_a_user_who_may_not_bind_can_use_what_is_there(host: Host, confined: str) -> None:
    await host.provision(DELIVERY)

    async with a_queue(confined, DELIVERY) as queue:
        await queue.send_many([b"one"])
        assert [message.body for message in await queue.receive()] == [b"one"]


async def test_a_broker_that_is_away_is_not_a_mistake() -> None:
    with pytest.raises(QueueUnavailable, match=r"queue outpost-delivery and outpost-log is not available: .* refused"):
        await provision(AmqpOptions(host="127.0.0.1", port=1), [DELIVERY, LOG], create=True)


def _arguments(queue: dict[str, Any]) -> dict[str, object]:
    """Return the arguments of a queue, which are listed as name, type and value."""
    return {name: value for name, _, value in queue["arguments"]}
