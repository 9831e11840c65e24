"""FIX-22: `outpost dead-letters`, typed as an operator types it."""

import json
from collections.abc import Mapping
from pathlib import Path

from outpost.clients.amqp import Properties
from tests.support.process import OutpostProcess
from tests.support.rabbitmq_queue import opened_channel
from tests.support.receiver import Receiver
from tests.support.servers import free_port
from tests.support.servers.redis import RedisServer
from tests.support.supervised import running_distributed

_RETRIES = "rsmq:deliverymq-retry-dlq"


def _task(destination: str) -> bytes:
    event = {
        "id": "evt_1",
        "tenant_id": "acme",
        "topic": "t",
        "eligible_for_retry": True,
        "time": "2026-01-02T03:04:05Z",
        "metadata": {},
        "data": {"secret": "hunter2"},
        "matched_destination_ids": [destination],
    }
    return json.dumps({"event": event, "destination_id": destination, "attempt": 2, "manual": False}).encode()


async def _bury(url: str, place: str, *bodies: bytes) -> None:
    async with opened_channel(url) as channel:
        await channel.confirm_select()
        properties = Properties(durable=True)
        await channel.publisher(exchange="outpost", routing_key=place, properties=properties).send(bodies)


async def test_what_died_is_counted_sent_back_and_delivered(
    tmp_path: Path, stores: Mapping[str, str], rabbitmq_url: str, redis_server: RedisServer, receiver: Receiver
) -> None:
    async with running_distributed(tmp_path, stores, TOPICS="t") as outpost:
        destination = await outpost.destination("acme", receiver.url("/hook"))
        await _bury(rabbitmq_url, "outpost-delivery.dlq", b"no json: hunter2", _task(destination))
        redis_server.command("ZADD", _RETRIES, 1_767_323_045_500, "x" * 32)
        redis_server.command("HSET", f"{_RETRIES}:Q", "x" * 32, '{"secret":"hunter2"')

        code, listed, _ = await outpost.run("dead-letters", "list")
        assert code == 0
        assert listed.splitlines() == [
            "Dead letters",
            "  delivery  outpost-delivery.dlq              2",
            "  log       outpost-log.dlq                   0",
            "  retry     rsmq:deliverymq-retry-dlq         1  the oldest since 2026-01-02T03:04:05.5Z",
            "  parked    rsmq:deliverymq-parked-dlq        0",
        ]

        code, _, said = await outpost.run("dead-letters", "redrive")
        assert (code, "add --yes" in said) == (19, True)
        assert not receiver.requests("/hook")

        code, moved, _ = await outpost.run("dead-letters", "redrive", "--yes", "--json")
        assert code == 0
        assert json.loads(moved) == {
            "schema": 1,
            "command": "redrive",
            "ok": True,
            "queues": [
                {"queue": "delivery", "place": "outpost-delivery.dlq", "moved": 1, "superseded": 0, "left": 1},
                {"queue": "log", "place": "outpost-log.dlq", "moved": 0, "superseded": 0, "left": 0},
                {"queue": "retry", "place": "rsmq:deliverymq-retry-dlq", "moved": 0, "superseded": 0, "left": 1},
                {"queue": "parked", "place": "rsmq:deliverymq-parked-dlq", "moved": 0, "superseded": 0, "left": 0},
            ],
        }
        assert "hunter2" not in listed + moved

        await receiver.until(1, "/hook")
        assert json.loads(receiver.requests("/hook")[0].body) == {"secret": "hunter2"}
        code, said, _ = await outpost.run("dead-letters", "redrive", "--yes", "--queue", "delivery", "--limit", "1")
        assert (code, said) == (0, "  delivery  0 sent back; 1 cannot be read and stay\n")


async def test_a_server_that_is_away_is_17_and_does_not_hide_the_other(
    tmp_path: Path, stores: Mapping[str, str], redis_server: RedisServer
) -> None:
    redis_server.command("ZADD", _RETRIES, 1, "x" * 32)
    redis_server.command("HSET", f"{_RETRIES}:Q", "x" * 32, '{"secret":"hunter2"')
    port = free_port()
    outpost = OutpostProcess(tmp_path, stores={**stores, "RABBITMQ_SERVER_URL": f"amqp://127.0.0.1:{port}"})

    code, out, err = await outpost.run("dead-letters", "list", "--json")
    document = json.loads(out)
    assert (code, document["ok"], document["error"]["code"]) == (17, False, "queue_unavailable")
    assert [(row["queue"], row["letters"]) for row in document["queues"]] == [("retry", 1), ("parked", 0)]
    assert f"127.0.0.1:{port}" in err

    code, out, err = await outpost.run("dead-letters", "redrive", "--yes")
    assert (code, out.splitlines()[0]) == (17, "  retry     0 sent back; 1 cannot be read and stay")
    assert f"127.0.0.1:{port}" in err


async def test_the_embedded_profile_has_none_and_says_so_with_64(tmp_path: Path) -> None:
    outpost = OutpostProcess(tmp_path)

    code, _, err = await outpost.run("dead-letters", "list")

    assert (code, "embedded profile has no dead letters" in err) == (64, True)


async def test_a_limit_that_is_none_is_64(tmp_path: Path) -> None:
    code, _, err = await OutpostProcess(tmp_path).run("dead-letters", "redrive", "--limit", "0")

    assert (code, "'0' is no whole number above 0" in err) == (64, True)
