"""From `POST /publish` to the receiver, through a real server: the scenarios that need a delivery."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import OutpostProcess, free_port, running_outpost
from tests.support.receiver import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def outpost(tmp_path: Path) -> AsyncIterator[OutpostProcess]:
    settings = {"TOPICS": "user.created,user.updated", "RETRY_SCHEDULE": "1,2", "DELIVERY_TIMEOUT_SECONDS": "2"}
    async with running_outpost(tmp_path, **settings) as outpost:
        yield outpost


async def publish(outpost: OutpostProcess, **fields: Any) -> dict[str, Any]:
    answer = await outpost.api("POST", "/publish", {"tenant_id": "acme", "topic": "user.created", "data": {}, **fields})
    assert answer.status == 202, answer.body
    return answer.json()


async def attempts(outpost: OutpostProcess, event_id: str, count: int) -> Sequence[dict[str, Any]]:
    """Wait until `count` attempts are recorded; return them in order of their number."""
    async with asyncio.timeout(20):
        while True:
            path = f"/attempts?event_id={event_id}&include=response_data"
            models = (await outpost.api("GET", path)).json()["models"]
            if len(models) >= count:
                return sorted(models, key=lambda model: model["attempt_number"])
            await asyncio.sleep(0.05)


async def test_an_event_arrives_signed_and_is_recorded(outpost: OutpostProcess, receiver: Receiver) -> None:
    """Scenarios 82, 107, 117."""
    destination = await outpost.destination("acme", receiver.url("/ok"), topics=["user.created"])
    secret = (await outpost.api("GET", f"/tenants/acme/destinations/{destination}")).json()["credentials"]["secret"]

    published = await publish(outpost, data={"n": 1}, metadata={"source": "test"})

    assert published == {"id": published["id"], "duplicate": False, "destination_ids": [destination]}
    (request,) = await receiver.until(1, "/ok")
    assert json.loads(request.body) == {"n": 1}
    assert request.headers["x-outpost-event-id"] == published["id"]
    assert request.headers["x-outpost-topic"] == "user.created"
    assert request.headers["x-outpost-source"] == "test"
    expected = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-outpost-signature"] == f"v0={expected}"
    (attempt,) = await attempts(outpost, published["id"], 1)
    assert (attempt["attempt_number"], attempt["manual"], attempt["status"], attempt["code"]) == (
        1,
        False,
        "success",
        "200",
    )
    assert attempt["destination_type"] == "webhook"
    assert attempt["response_data"]["status"] == 200
    event = (await outpost.api("GET", f"/events/{published['id']}")).json()
    assert event["matched_destination_ids"] == [destination]
    assert event["data"] == {"n": 1}


async def test_key_order_and_number_text_survive_to_the_receiver_and_the_api(
    outpost: OutpostProcess, receiver: Receiver
) -> None:
    """Scenario 90."""
    await outpost.destination("acme", receiver.url("/ok"))
    data = b'{"zebra":1,"alpha":2,"big":12345678901234567890.10}'

    answer = await outpost.api("POST", "/publish", raw=b'{"tenant_id":"acme","topic":"user.created","data":%s}' % data)

    (request,) = await receiver.until(1, "/ok")
    assert request.body == data
    event = await outpost.api("GET", f"/events/{answer.json()['id']}")
    assert data in event.body


async def test_a_duplicate_is_not_delivered_again(outpost: OutpostProcess, receiver: Receiver) -> None:
    """Scenario 84."""
    await outpost.destination("acme", receiver.url("/ok"))
    await publish(outpost, id="evt_1")

    again = await publish(outpost, id="evt_1", data={"other": True})

    assert again["duplicate"]
    await publish(outpost, id="evt_2")
    requests = await receiver.until(2, "/ok")
    assert sorted(request.headers["x-outpost-event-id"] for request in requests) == ["evt_1", "evt_2"]


async def test_the_same_id_of_two_tenants_is_two_events(outpost: OutpostProcess, receiver: Receiver) -> None:
    """Scenario 86, FIX-9."""
    await outpost.destination("acme", receiver.url("/a"))
    await outpost.destination("umbrella", receiver.url("/b"))

    first = await publish(outpost, id="evt_1")
    second = await publish(outpost, id="evt_1", tenant_id="umbrella")

    assert (first["duplicate"], second["duplicate"]) == (False, False)
    await receiver.until(1, "/a")
    await receiver.until(1, "/b")


async def test_only_those_who_want_an_event_get_it(outpost: OutpostProcess, receiver: Receiver) -> None:
    """Scenarios 83, 87."""
    wanted = await outpost.destination("acme", receiver.url("/ok"), filter={"data": {"amount": {"$gt": 10}}})
    await outpost.destination("acme", receiver.url("/other_topic"), topics=["user.updated"])
    disabled = await outpost.destination("acme", receiver.url("/disabled"))
    await outpost.api("PUT", f"/tenants/acme/destinations/{disabled}/disable")

    small = await publish(outpost, data={"amount": 1})
    large = await publish(outpost, data={"amount": 11})
    pinned = await publish(outpost, data={"amount": 11}, destination_id=disabled)

    assert small["destination_ids"] == pinned["destination_ids"] == []
    assert large["destination_ids"] == [wanted]
    await receiver.until(1, "/ok")
    assert receiver.requests("/other_topic") == receiver.requests("/disabled") == []
    assert (await outpost.api("GET", f"/events/{small['id']}")).status == 404


async def test_a_failing_destination_gets_all_attempts_of_the_schedule_on_time(
    outpost: OutpostProcess, receiver: Receiver
) -> None:
    """Acceptance scenario 1 and FIX-3: with the schedule 1, 2 there are three attempts, 1 s and 2 s apart."""
    receiver.answer("/broken", 500)
    await outpost.destination("acme", receiver.url("/broken"))

    published = await publish(outpost)

    requests = await receiver.until(3, "/broken")
    waits = [later.received_at - earlier.received_at for earlier, later in pairwise(requests)]
    assert 0.95 < waits[0] < 1.9
    assert 1.95 < waits[1] < 2.9
    found = await attempts(outpost, published["id"], 3)
    assert [attempt["attempt_number"] for attempt in found] == [1, 2, 3]
    assert {attempt["code"] for attempt in found} == {"500"}
    await outpost.until_settled()


async def test_an_event_that_may_not_be_retried_is_tried_once(outpost: OutpostProcess, receiver: Receiver) -> None:
    receiver.answer("/broken", 500)
    await outpost.destination("acme", receiver.url("/broken"))

    published = await publish(outpost, eligible_for_retry=False)

    assert len(await attempts(outpost, published["id"], 1)) == 1
    await outpost.until_settled()


async def test_a_manual_retry_follows_a_success(outpost: OutpostProcess, receiver: Receiver) -> None:
    """Scenario 125."""
    destination = await outpost.destination("acme", receiver.url("/ok"))
    published = await publish(outpost)
    await attempts(outpost, published["id"], 1)

    for _ in range(2):
        answer = await outpost.api("POST", "/retry", {"event_id": published["id"], "destination_id": destination})
        assert (answer.status, answer.json()) == (202, {"success": True})

    found = await attempts(outpost, published["id"], 3)
    assert [(attempt["attempt_number"], attempt["manual"]) for attempt in found] == [(1, False), (2, True), (3, True)]


async def test_a_failing_manual_retry_moves_the_automatic_one(tmp_path: Path, receiver: Receiver) -> None:
    """Scenario 130: the 2 s retry does not fire, attempt 3 comes 4 s after the manual one, then no more."""
    receiver.answer("/broken", 500)
    async with running_outpost(tmp_path, RETRY_SCHEDULE="2,4") as outpost:
        destination = await outpost.destination("acme", receiver.url("/broken"))
        published = await publish(outpost)
        await attempts(outpost, published["id"], 1)
        await outpost.api("POST", "/retry", {"event_id": published["id"], "destination_id": destination})

        requests = await receiver.until(3, "/broken")
        found = await attempts(outpost, published["id"], 3)
        await outpost.until_settled()

        assert [(attempt["attempt_number"], attempt["manual"]) for attempt in found] == [
            (1, False),
            (2, True),
            (3, False),
        ]
        assert 3.9 < requests[2].received_at - requests[1].received_at < 5
        assert len(receiver.requests("/broken")) == 3


async def test_disabling_a_destination_ends_its_waiting_retries(outpost: OutpostProcess, receiver: Receiver) -> None:
    receiver.answer("/broken", 500)
    destination = await outpost.destination("acme", receiver.url("/broken"))
    published = await publish(outpost)
    await attempts(outpost, published["id"], 1)

    await outpost.api("PUT", f"/tenants/acme/destinations/{destination}/disable")

    await outpost.until_settled()
    assert outpost.rows("SELECT reason FROM dropped_tasks") == [("destination_disabled",)]
    assert len(receiver.requests("/broken")) == 1


async def test_deleting_a_tenant_ends_its_waiting_retries(outpost: OutpostProcess, receiver: Receiver) -> None:
    receiver.answer("/broken", 500)
    await outpost.destination("acme", receiver.url("/broken"))
    published = await publish(outpost)
    await attempts(outpost, published["id"], 1)

    await outpost.api("DELETE", "/tenants/acme")

    await outpost.until_settled()
    assert outpost.rows("SELECT reason FROM dropped_tasks") == [("tenant_deleted",)]


async def test_nothing_listening_is_a_recorded_failure(outpost: OutpostProcess) -> None:
    """Scenario 120."""
    await outpost.destination("acme", f"http://127.0.0.1:{free_port()}/")

    published = await publish(outpost, eligible_for_retry=False)

    (attempt,) = await attempts(outpost, published["id"], 1)
    assert (attempt["status"], attempt["code"]) == ("failed", "connection_refused")
    assert "response_data" not in attempt


async def test_a_receiver_that_hangs_is_cut_off_at_the_deadline(outpost: OutpostProcess, receiver: Receiver) -> None:
    receiver.hold("/hang")
    await outpost.destination("acme", receiver.url("/hang"))

    published = await publish(outpost, eligible_for_retry=False)

    (attempt,) = await attempts(outpost, published["id"], 1)
    assert (attempt["status"], attempt["code"]) == ("failed", "timeout")


async def test_a_private_address_is_refused_unless_allowed(outpost: OutpostProcess) -> None:
    await outpost.destination("acme", "http://10.0.0.1/hook")

    published = await publish(outpost, eligible_for_retry=False)

    (attempt,) = await attempts(outpost, published["id"], 1)
    assert (attempt["status"], attempt["code"]) == ("failed", "egress_refused")
    assert "EGRESS_ALLOW" in attempt["response_data"]["error"]


async def test_a_rotated_secret_signs_at_once_beside_the_old_one(outpost: OutpostProcess, receiver: Receiver) -> None:
    destination = await outpost.destination("acme", receiver.url("/ok"))
    path = f"/tenants/acme/destinations/{destination}"
    await publish(outpost)
    await receiver.until(1, "/ok")

    rotated = await outpost.api("PATCH", path, {"credentials": {"rotate_secret": True}})
    await publish(outpost)

    credentials = rotated.json()["credentials"]
    request = (await receiver.until(2, "/ok"))[1]
    signatures = [
        hmac.new(credentials[name].encode(), request.body, hashlib.sha256).hexdigest()
        for name in ("secret", "previous_secret")
    ]
    assert request.headers["x-outpost-signature"] == "v0=" + ",".join(signatures)


async def test_secrets_lie_sealed_on_disk(outpost: OutpostProcess, receiver: Receiver) -> None:
    destination = await outpost.destination("acme", receiver.url("/ok"), delivery_metadata={"x-team": "very-secret"})
    answer = await outpost.api("GET", f"/tenants/acme/destinations/{destination}")
    secret = answer.json()["credentials"]["secret"].encode()
    await publish(outpost)
    await receiver.until(1, "/ok")
    await outpost.terminate()

    stored = b"".join(path.read_bytes() for path in outpost.database.parent.glob("outpost.db*"))
    assert secret not in stored
    assert b"very-secret" not in stored
    assert secret not in outpost.log.read_bytes()


async def test_a_restart_delivers_what_was_waiting(outpost: OutpostProcess, receiver: Receiver) -> None:
    receiver.answer("/broken", 500)
    await outpost.destination("acme", receiver.url("/broken"))
    published = await publish(outpost)
    await attempts(outpost, published["id"], 1)
    await outpost.kill()
    receiver.answer("/broken", 200)

    await outpost.start()

    found = await attempts(outpost, published["id"], 2)
    assert [(attempt["attempt_number"], attempt["status"]) for attempt in found] == [(1, "failed"), (2, "success")]
