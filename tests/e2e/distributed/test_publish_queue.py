"""Events that are published through a queue of the operator's own."""

import json
from collections.abc import Mapping
from pathlib import Path

from outpost.clients.amqp import Properties
from tests.support.rabbitmq_queue import opened_channel, take
from tests.support.receiver import Receiver
from tests.support.supervised import running_distributed

_EVENTS = 50


def _event(number: int, **fields: object) -> bytes:
    event = {"id": f"evt_{number}", "tenant_id": "acme", "topic": "t", "data": {"n": number}}
    return json.dumps({**event, **fields}).encode()


async def test_good_messages_arrive_and_broken_ones_go_to_the_dead_letters(
    tmp_path: Path, stores: Mapping[str, str], rabbitmq_url: str, receiver: Receiver
) -> None:
    broken = [b"no json", _event(1, data=[1]), _event(2, topic="unknown"), _event(3, tenant_id="")]
    good = [_event(number) for number in range(_EVENTS)]
    async with opened_channel(rabbitmq_url) as channel:
        dead_letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "theirs.dead"}
        await channel.queue_declare("theirs", arguments=dead_letters)
        await channel.queue_declare("theirs.dead")
    settings = {
        "PUBLISH_RABBITMQ_SERVER_URL": rabbitmq_url,
        "PUBLISH_RABBITMQ_QUEUE": "theirs",
        "PUBLISH_MAX_CONCURRENCY": "4",
        "TOPICS": "t",
    }

    async with running_distributed(tmp_path, stores, **settings) as outpost:
        await outpost.destination("acme", receiver.url("/hook"))
        async with opened_channel(rabbitmq_url) as channel:
            await channel.confirm_select()
            properties = Properties(durable=True)
            publisher = channel.publisher(exchange="", routing_key="theirs", mandatory=True, properties=properties)
            await publisher.send([*broken, *good, good[0], _event(99, tenant_id="nobody")])

        await receiver.until(_EVENTS, "/hook")
        assert sorted(await take(rabbitmq_url, "theirs.dead", len(broken))) == sorted(broken)
        health = (await outpost.api("GET", "/healthz")).json()["workers"]
        assert health["publishmq-consumer"] == {"status": "healthy"}
        assert await outpost.terminate() == 0

    assert len(receiver.requests("/hook")) == _EVENTS
    assert outpost.log.read_text().count("a message of the publish queue is refused") == len(broken)
    async with opened_channel(rabbitmq_url) as channel:
        left = await channel.queue_declare("theirs", passive=True)
    assert left.messages == 0
