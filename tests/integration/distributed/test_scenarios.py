"""The acceptance scenarios (pipeline specification, section 19), by one process and by three that share the work."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
import pytest_asyncio

from tests.support.distributed import ROLES, Fleet, StoreServers, running_fleet
from tests.support.receiver import Receiver
from tests.support.sdk import SdkVersion, take_sdk_journey

pytestmark = pytest.mark.asyncio(loop_scope="module")

_WORKERS = {
    "api": {"presence", "retrymq-consumer"},
    "delivery": {"deliverymq-consumer", "parkedmq-consumer", "presence"},
    "log": {"logmq-consumer"},
    "all": {"deliverymq-consumer", "logmq-consumer", "parkedmq-consumer", "presence", "retrymq-consumer"},
}
_STORES = {
    "api": {"log", "queue", "tenants", "migrations"},
    "delivery": {"log", "queue", "tenants", "migrations"},
    "log": {"log", "queue", "migrations"},
    "all": {"log", "queue", "tenants", "migrations"},
}


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["one process", "three roles of a named deployment"]
)
async def fleet(
    request: pytest.FixtureRequest, store_servers: StoreServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fleet]:
    is_split = request.param != "one process"
    settings = {"TOPICS": "user.created,user.updated", "RETRY_SCHEDULE": "2,3"}
    if is_split:
        settings["DEPLOYMENT_ID"] = "dp_1"  # scenario 14
    roles = ROLES if is_split else ("all",)
    with store_servers.fresh_stores() as stores:
        async with running_fleet(stores, tmp_path_factory.mktemp("fleet"), roles, **settings) as fleet:
            yield fleet


async def test_a_failing_destination_gets_all_attempts_of_the_schedule_on_time(
    fleet: Fleet, receiver: Receiver
) -> None:
    """Scenario 1, FIX-1 and FIX-3: with the schedule 2, 3 there are three attempts, and no number comes twice."""
    receiver.answer("/failing", 500)
    await fleet.api.destination("failing", receiver.url("/failing"))

    published = await fleet.publish("failing")

    found = await fleet.attempts(published["id"], 3)
    assert [(attempt["attempt_number"], attempt["manual"], attempt["code"]) for attempt in found] == [
        (1, False, "500"),
        (2, False, "500"),
        (3, False, "500"),
    ]
    mine = [request for request in receiver.requests("/failing") if request.event_id == published["id"]]
    waits = [later.received_at - earlier.received_at for earlier, later in pairwise(mine)]
    assert len(waits) == 2
    assert 1.95 < waits[0] < 2.9
    assert 2.95 < waits[1] < 3.9
    assert fleet.planned_retries(published["id"]) == []


async def test_a_manual_retry_follows_a_success(fleet: Fleet, receiver: Receiver) -> None:
    """Scenario 2."""
    destination = await fleet.api.destination("retried", receiver.url("/retried"))
    published = await fleet.publish("retried")

    for number in (1, 2):
        await fleet.attempts(published["id"], number)
        assert await fleet.retry(published["id"], destination) == 202

    found = await fleet.attempts(published["id"], 3)
    assert [(attempt["attempt_number"], attempt["manual"]) for attempt in found] == [(1, False), (2, True), (3, True)]


async def test_a_manual_retry_of_a_disabled_destination_is_refused(fleet: Fleet, receiver: Receiver) -> None:
    """Scenario 3."""
    destination = await fleet.api.destination("refused", receiver.url("/refused"))
    published = await fleet.publish("refused")
    await fleet.attempts(published["id"], 1)
    await fleet.api.api("PUT", f"/tenants/refused/destinations/{destination}/disable")

    assert await fleet.retry(published["id"], destination) == 400


async def test_a_failing_manual_retry_moves_the_automatic_one(fleet: Fleet, receiver: Receiver) -> None:
    """Scenario 4: nothing comes 2 s after the first attempt; the third comes 3 s after the manual one, and no more."""
    receiver.answer("/moved", 500)
    destination = await fleet.api.destination("moved", receiver.url("/moved"))
    published = await fleet.publish("moved")
    await fleet.attempts(published["id"], 1)
    assert await fleet.retry(published["id"], destination) == 202

    found = await fleet.attempts(published["id"], 3)

    assert [(attempt["attempt_number"], attempt["manual"]) for attempt in found] == [(1, False), (2, True), (3, False)]
    mine = [request for request in receiver.requests("/moved") if request.event_id == published["id"]]
    assert len(mine) == 3
    assert 2.95 < mine[2].received_at - mine[1].received_at < 3.9
    assert fleet.planned_retries(published["id"]) == []


async def test_a_succeeding_manual_retry_cancels_the_automatic_one(fleet: Fleet, receiver: Receiver) -> None:
    receiver.fail_once_each("/mended")
    destination = await fleet.api.destination("mended", receiver.url("/mended"))
    published = await fleet.publish("mended")
    await fleet.attempts(published["id"], 1)
    assert len(fleet.planned_retries(published["id"])) == 1

    assert await fleet.retry(published["id"], destination) == 202

    await fleet.attempts(published["id"], 2)
    assert fleet.planned_retries(published["id"]) == []


async def test_an_id_again_is_a_duplicate_of_its_tenant(fleet: Fleet, receiver: Receiver) -> None:
    """Scenario 5 and FIX-9."""
    for tenant in ("first", "second"):
        await fleet.api.destination(tenant, receiver.url(f"/{tenant}"))

    told = [(await fleet.publish(tenant, id="evt_1"))["duplicate"] for tenant in ("first", "second", "first")]

    assert told == [False, False, True]
    await fleet.publish("first", id="evt_2")
    await fleet.attempts("evt_2", 1)
    for tenant in ("first", "second"):
        assert Counter(request.event_id for request in receiver.requests(f"/{tenant}"))["evt_1"] >= 1


async def test_one_id_published_by_many_at_once_is_accepted_once(fleet: Fleet, receiver: Receiver) -> None:
    await fleet.api.destination("racing", receiver.url("/racing"))

    told = await asyncio.gather(*[fleet.publish("racing", id="evt_race") for _ in range(20)])

    assert sorted(answer["duplicate"] for answer in told) == [False] + [True] * 19
    assert len(await fleet.attempts("evt_race", 1)) == 1


async def test_only_those_who_want_an_event_get_it(fleet: Fleet, receiver: Receiver) -> None:
    """Scenario 6."""
    everything = [await fleet.api.destination("choosy", receiver.url("/everything")) for _ in range(2)]
    topical = await fleet.api.destination("choosy", receiver.url("/topical"), topics=["user.updated"])
    large = await fleet.api.destination("choosy", receiver.url("/large"), filter={"data": {"amount": {"$gt": 10}}})

    created = await fleet.publish("choosy", data={"amount": 1})
    updated = await fleet.publish("choosy", topic="user.updated", data={"amount": 11})

    assert set(created["destination_ids"]) == set(everything)
    assert set(updated["destination_ids"]) == {*everything, topical, large}
    await fleet.attempts(created["id"], 2)
    found = await fleet.attempts(updated["id"], 4)
    assert {attempt["destination_id"] for attempt in found} == {*everything, topical, large}


async def test_a_disabled_destination_gets_nothing_until_it_is_enabled_again(fleet: Fleet, receiver: Receiver) -> None:
    """Scenario 7."""
    path = f"/tenants/resting/destinations/{await fleet.api.destination('resting', receiver.url('/resting'))}"
    await fleet.api.api("PUT", f"{path}/disable")
    missed = await fleet.publish("resting")
    await fleet.api.api("PUT", f"{path}/enable")

    published = await fleet.publish("resting")

    assert missed["destination_ids"] == []
    await fleet.attempts(published["id"], 1)
    assert missed["id"] not in receiver.event_ids("/resting")


async def test_key_order_and_the_text_of_numbers_survive_everywhere(fleet: Fleet, receiver: Receiver) -> None:
    """Scenario 8."""
    data = b'{"zebra":1.0,"alpha":1e3,"big":12345678901234567890.10}'
    destination = await fleet.api.destination("ordered", receiver.url("/ordered"))
    body = b'{"tenant_id":"ordered","topic":"user.created","data":%s}' % data
    event_id = (await fleet.api.api("POST", "/publish", raw=body)).json()["id"]
    await fleet.attempts(event_id, 1)
    await fleet.retry(event_id, destination)
    await fleet.attempts(event_id, 2)

    received = [request.body for request in receiver.requests("/ordered") if request.event_id == event_id]

    assert received == [data, data]
    assert data in (await fleet.api.api("GET", f"/events/{event_id}")).body


async def test_each_role_tells_how_its_workers_and_stores_are(fleet: Fleet) -> None:
    """Scenario 13."""
    for role, process in fleet.processes.items():
        for path in ("/healthz", "/api/v1/healthz"):
            health = await process.health(path)
            assert health.keys() == {"status", "timestamp", "workers"}
            assert health["workers"].keys() == {"http-server"} | _WORKERS[role]
        ready = await process.health("/readyz")
        assert ready["stores"].keys() == _STORES[role]
        everything = [ready, *ready["workers"].values(), *ready["stores"].values()]
        assert {part["status"] for part in everything} == {"healthy"}


async def test_only_the_api_role_serves_the_api(fleet: Fleet) -> None:
    for role, process in fleet.processes.items():
        answer = await process.api("GET", "/tenants/acme")

        assert (answer.status, "not found" in answer.body.decode().lower()) == (404, True)
        published = await process.api("POST", "/publish", {"tenant_id": "nobody", "topic": "user.created", "data": {}})
        assert published.status == (202 if role in ("all", "api") else 404)


async def test_no_secret_lies_open_in_any_store(fleet: Fleet, receiver: Receiver) -> None:
    """FIX-21."""
    receiver.answer("/secretive", 500)
    destination = await fleet.api.destination(
        "secretive", receiver.url("/secretive"), delivery_metadata={"x-team": "very-secret"}
    )
    shown = (await fleet.api.api("GET", f"/tenants/secretive/destinations/{destination}")).json()
    published = await fleet.publish("secretive")
    await fleet.attempts(published["id"], 1)

    stored = b"".join(
        repr(fleet.stores.redis("DUMP", key.decode())).encode() for key in fleet.stores.redis("KEYS", "*")
    )
    rows = await fleet.stores.rows("SELECT events::text FROM events UNION ALL SELECT attempts::text FROM attempts")
    logged = "".join(row[0] for row in rows).encode()
    printed = b"".join(process.log.read_bytes() for process in fleet.processes.values())
    assert published["id"].encode() in logged
    for secret in (shown["credentials"]["secret"].encode(), b"very-secret"):
        assert secret not in stored + logged + printed


@pytest.mark.parametrize("version", ["1.5.0", "1.7.0"])
async def test_the_sdk_goes_from_tenant_to_retry(fleet: Fleet, receiver: Receiver, version: SdkVersion) -> None:
    tenant = f"sdk-{version}-{len(fleet.processes)}"
    await take_sdk_journey(version, fleet.api, receiver, tenant=tenant)
