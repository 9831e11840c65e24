"""Beside processes of the original program: what it puts into the queues is worked off, and ours is what it can read.

One process of role `api` is there all the time. Each test adds another role at most, and stands in for those that are
missing, at the queues themselves.
"""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.distributed import Fleet, StoreServers, running_fleet
from tests.support.original_messages import ENTRY, EVENT, TASK, entry_fields, task_fields
from tests.support.receiver import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(store_servers: StoreServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    settings = {"RETRY_SCHEDULE": "60", "RETRY_POLL_BACKOFF_MS": "100"}
    with store_servers.fresh_stores() as stores:
        async with running_fleet(stores, tmp_path_factory.mktemp("fleet"), ["api"], **settings) as fleet:
            yield fleet


def _for(destination_id: str, message: bytes) -> bytes:
    return message.replace(b'"des_1"', json.dumps(destination_id).encode())


async def test_a_task_of_ours_is_one_of_the_originals(fleet: Fleet) -> None:
    destination = await fleet.api.destination("published", "http://127.0.0.1:9/")
    published = await fleet.publish("published", data={"z": 1, "a": 2}, metadata={"source": "test"})

    (body,) = await fleet.stores.take(fleet.stores.delivery_queue, 1)

    task = task_fields(body)
    assert (task["destination_id"], task["attempt"], task["manual"]) == (destination, 1, False)
    event = task["event"]
    assert (event["id"], event["tenant_id"]) == (published["id"], "published")
    assert (list(event["data"]), event["metadata"]) == (["z", "a"], {"source": "test"})
    assert (event["matched_destination_ids"], event["eligible_for_retry"]) == ([destination], True)


async def test_a_task_of_the_originals_is_delivered_and_its_attempt_is_sent_to_the_log(
    fleet: Fleet, receiver: Receiver
) -> None:
    destination = await fleet.api.destination("acme", receiver.url("/ok"))
    await fleet.stores.send(fleet.stores.delivery_queue, _for(destination, TASK))

    async with fleet.joined_by("delivery"):
        (request,) = await receiver.until(1, "/ok")
        (body,) = await fleet.stores.take(fleet.stores.log_queue, 1)

    assert json.loads(request.body) == json.loads(EVENT)["data"]
    assert request.headers["x-outpost-source"] == "a<b"
    entry = entry_fields(body)
    assert entry["event"]["id"] == entry["attempt"]["event_id"] == "evt_1"
    assert (entry["attempt"]["status"], entry["attempt"]["attempt_number"]) == ("success", 1)
    assert (entry["destination"]["id"], entry["destination"]["credentials"]) == (destination, {})
    assert fleet.planned_retries("evt_1") == []


async def test_a_retry_of_ours_begins_as_one_of_the_originals(fleet: Fleet, receiver: Receiver) -> None:
    receiver.answer("/failing", 500)
    destination = await fleet.api.destination("acme", receiver.url("/failing"))
    await fleet.stores.send(fleet.stores.delivery_queue, _for(destination, TASK))

    async with fleet.joined_by("delivery"):
        (body,) = await fleet.stores.take(fleet.stores.log_queue, 1)

    assert entry_fields(body)["attempt"]["code"] == "500"
    (planned,) = fleet.planned_retries("evt_1")
    names = f'{{"EventID":"evt_1","TenantID":"acme","DestinationID":"{destination}"'
    assert planned.startswith(f'{names},"Telemetry":null,"Attempt":1,"Event":{{'.encode())


async def test_an_attempt_of_the_originals_is_logged_and_what_is_none_is_put_aside(fleet: Fleet) -> None:
    await fleet.stores.send(fleet.stores.log_queue, b"letmein", ENTRY)

    async with fleet.joined_by("log") as logging:
        (attempt,) = await fleet.attempts("evt_1", 1)
        dead = await fleet.stores.take(f"{fleet.stores.log_queue}.dlq", 1)

    assert (attempt["id"], attempt["status"], attempt["code"]) == ("atm_1", "failed", "500")
    event = (await fleet.api.api("GET", "/events/evt_1")).json()
    assert event["matched_destination_ids"] == ["des_1", "des_2"]
    assert event["data"] == json.loads(EVENT)["data"]
    assert list(dead) == [b"letmein"]
    assert b"letmein" not in logging.log.read_bytes()


async def test_a_retry_that_the_original_planned_has_the_number_that_the_log_tells(fleet: Fleet) -> None:
    """FIX-3."""
    await fleet.stores.send(fleet.stores.log_queue, ENTRY)
    async with fleet.joined_by("log"):
        await fleet.attempts("evt_1", 1)
    id_ = "00000000004VQ1S57EP1C4TOIW96Q96Q"
    body = '{"EventID":"evt_1","TenantID":"acme","DestinationID":"des_1","Telemetry":null}'
    fleet.stores.redis("HSET", "rsmq:deliverymq-retry:Q", id_, body)
    fleet.stores.redis("ZADD", "rsmq:deliverymq-retry", "0", id_)

    (sent,) = await fleet.stores.take(fleet.stores.delivery_queue, 1)

    task = task_fields(sent)
    assert (task["attempt"], task["manual"], task["destination_id"]) == (2, False, "des_1")
    assert task["event"]["data"] == json.loads(EVENT)["data"]
