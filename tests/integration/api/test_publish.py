"""`POST /publish`, on the short road and on the long one, which give the same answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from outpost.domain.errors import BacklogFull, CannotUnseal, StoreUnavailable
from outpost.domain.identifiers import TenantId
from tests.support.api import InProcessOutpost, a_publish, invalid, refused, running_api
from tests.support.builders import START
from tests.support.http import Answer

Publish = Callable[..., Awaitable[Answer]]


@pytest.fixture(params=["short", "long"])
def publish(outpost: InProcessOutpost, request: pytest.FixtureRequest) -> Publish:
    """Send a body to publish, on the road that the test has drawn."""

    async def send(body: Any = None, **options: Any) -> Answer:
        return await outpost.api("POST", "/publish" if request.param == "short" else "/publish?long", body, **options)

    return send


@pytest.fixture
async def world(outpost: InProcessOutpost) -> InProcessOutpost:
    """Tenant t1 with webhooks w1 (user.created), w2 (everything), off (disabled), picky (filtered), other (updated)."""
    await outpost.tenant("t1")
    for name, fields in {
        "w2": {"topics": "*"},
        "w1": {},
        "off": {"disabled_at": "2020-01-01T00:00:00Z"},
        "picky": {"filter": {"data": {"n": {"$gt": 100}}}},
        "other": {"topics": ["user.updated"]},
    }.items():
        outpost.clock.advance(seconds=1)
        await outpost.webhook(name, **fields)
    outpost.clock.now = START
    return outpost


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, invalid("tenant_id is required", "data is required")),
        (None, refused(422, "invalid JSON", ["Expecting value at line 1, column 1"])),
        ({"tenant_id": "t1"}, invalid("data is required")),
        ({"data": {}}, invalid("tenant_id is required")),
        ({"tenant_id": "", "data": {}}, invalid("tenant_id is required")),
        *(
            (a_publish(data=data), invalid("data must be a valid JSON object"))
            for data in (None, "x", [1], True, 5, "{}")
        ),
        *((a_publish(topic=topic), invalid("topic is required")) for topic in (None, "")),
        *((a_publish(topic=topic), invalid("topic is invalid")) for topic in ("nope", "user.*", "**", "User.created")),
        (a_publish(tenant_id=1), refused(422, "invalid JSON", ["tenant_id must be a string"])),
        (a_publish(topic=["user.created"]), refused(422, "invalid JSON", ["topic must be a string"])),
        (a_publish(metadata={"n": 1}), refused(422, "invalid JSON", ["metadata.n must be a string"])),
        (a_publish(metadata=[]), refused(422, "invalid JSON", ["metadata must be an object"])),
        (
            a_publish(eligible_for_retry="no"),
            refused(422, "invalid JSON", ["eligible_for_retry must be true or false"]),
        ),
        (
            a_publish(id=7, destination_id=7),
            refused(422, "invalid JSON", ["id must be a string", "destination_id must be a string"]),
        ),
        *(
            (a_publish(time=time), invalid("time must be an RFC 3339 timestamp, such as 2024-01-15T09:30:00Z"))
            for time in ("2024-01-01", "yesterday", 5, "", "9999-12-31T23:59:59-23:00")
        ),
    ],
)
async def test_what_cannot_be_accepted_is_refused_and_says_why(
    world: InProcessOutpost, publish: Publish, body: Any, refusal: dict[str, Any]
) -> None:
    """Scenarios 79, 80 and 89; fault 13."""
    answer = await publish(body)

    assert (answer.status, answer.json()) == (422, refusal)
    assert world.log.events == {}


async def test_a_topic_is_required_only_where_there_are_topics(world: InProcessOutpost, publish: Publish) -> None:
    """Scenario 80."""
    body = a_publish()
    del body["topic"]

    assert (await publish(body)).json() == invalid("topic is required")
    everyone = await publish(a_publish(topic="*"))
    assert (everyone.status, everyone.json()["destination_ids"]) == (202, ["w2", "w1", "other"])
    await world.attempted(3)


@pytest.mark.parametrize("topic", ["any", "", None, "a.*"])
async def test_without_configured_topics_any_will_do(topic: str | None) -> None:
    """Scenario 81."""
    async with running_api(topics=()) as outpost:
        await outpost.tenant("t1")
        await outpost.webhook("w1", topics=["any"])

        for path in ("/publish", "/publish?long"):
            answer = await outpost.api("POST", path, a_publish(topic=topic))
            assert (answer.status, answer.json()["destination_ids"]) == (202, [] if topic == "a.*" else ["w1"])


async def test_an_event_goes_to_all_who_want_it_in_the_order_of_their_creation(
    world: InProcessOutpost, publish: Publish
) -> None:
    """Scenarios 82 and 83; fault 31."""
    answer = await publish(a_publish(id="e1"))
    await world.attempted(2)

    assert (answer.status, answer.json()) == (202, {"id": "e1", "duplicate": False, "destination_ids": ["w2", "w1"]})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert [task.destination_id for task in world.receivers.received] == ["w2", "w1"]
    assert all(json.loads(task.event.data) == {"n": 1} for task in world.receivers.received)


async def test_a_filter_lets_through_what_it_wants(world: InProcessOutpost, publish: Publish) -> None:
    """Scenario 83."""
    answer = await publish(a_publish(data={"n": 101}))
    await world.attempted(3)

    assert answer.json()["destination_ids"] == ["w2", "w1", "picky"]


async def test_an_event_nobody_wants_is_accepted_with_an_empty_list(
    outpost: InProcessOutpost, publish: Publish
) -> None:
    """Scenarios 83, 88; fault 35."""
    await outpost.tenant("t1")

    for body in (a_publish(id="e1"), a_publish(tenant_id="nobody", id="e1")):
        answer = await publish(body)
        assert (answer.status, answer.json()) == (202, {"id": "e1", "duplicate": False, "destination_ids": []})
    assert (await outpost.api("GET", "/events/e1")).status == 404


async def test_an_id_is_accepted_once(world: InProcessOutpost, publish: Publish) -> None:
    """Scenario 84."""
    await publish(a_publish(id="e1"))
    await world.attempted(2)

    again = await publish(a_publish(id="e1", data={"n": 999}))

    assert (again.status, again.json()["duplicate"]) == (202, True)
    assert again.json()["destination_ids"] == ["w2", "w1", "picky"]
    assert len(world.receivers.received) == 2
    assert (await world.api("GET", "/events/e1")).json()["data"] == {"n": 1}


async def test_an_id_is_free_until_somebody_wants_the_event(outpost: InProcessOutpost, publish: Publish) -> None:
    """Scenario 85."""
    await outpost.tenant("t1")
    first = await publish(a_publish(id="e1"))
    await outpost.webhook("w1")
    second = await publish(a_publish(id="e1"))
    await outpost.attempted(1)

    assert (first.json()["destination_ids"], first.json()["duplicate"]) == ([], False)
    assert (second.json()["destination_ids"], second.json()["duplicate"]) == (["w1"], False)


async def test_each_tenant_has_ids_of_its_own(outpost: InProcessOutpost, publish: Publish) -> None:
    """Scenario 86; fault 4."""
    for tenant in ("t1", "t2"):
        await outpost.tenant(tenant)
        await outpost.webhook(f"w-{tenant}", tenant)

    answers = [await publish(a_publish(id="e1", tenant_id=tenant)) for tenant in ("t1", "t2")]
    await outpost.attempted(2)

    assert [answer.json()["duplicate"] for answer in answers] == [False, False]
    assert [task.destination_id for task in outpost.receivers.received] == ["w-t1", "w-t2"]


@pytest.mark.parametrize(
    ("destination_id", "matched"),
    [("w1", ["w1"]), ("nope", []), ("off", []), ("other", []), ("picky", []), ("", ["w2", "w1"]), (None, ["w2", "w1"])],
)
async def test_an_event_may_be_meant_for_one_destination_which_must_still_want_it(
    world: InProcessOutpost, publish: Publish, destination_id: str | None, matched: list[str]
) -> None:
    """Scenario 87; fault 46."""
    answer = await publish(a_publish(destination_id=destination_id))
    await world.attempted(len(matched))

    assert (answer.status, answer.json()["destination_ids"]) == (202, matched)


@pytest.mark.parametrize("metadata", [None, {}, {"k": None}, {"k": "v"}])
async def test_metadata_may_be_null(world: InProcessOutpost, publish: Publish, metadata: Any) -> None:
    """Scenario 89."""
    answer = await publish(a_publish(id="e1", metadata=metadata))
    await world.attempted(2)

    assert answer.status == 202
    shown = (await world.api("GET", "/events/e1")).json()
    assert shown.get("metadata") == ({"k": metadata["k"] or ""} if metadata else None)


async def test_data_is_kept_as_it_was_sent(world: InProcessOutpost, publish: Publish) -> None:
    """Scenario 90."""
    data = '{"zebra":1,"alpha":2, "big":12345678901234567890.10,"html":"<&>","é":"\\u00e9"}'
    raw = f'{{"tenant_id":"t1","topic":"user.created","id":"e1","data":{data}}}'.encode()

    await publish(raw=raw)
    await world.attempted(2)

    assert world.receivers.received[0].event.data == data.encode()
    assert data.encode() in (await world.api("GET", "/events/e1")).body


async def test_two_requests_of_one_id_at_once_accept_it_once(world: InProcessOutpost, publish: Publish) -> None:
    """Scenario 91; fault 45."""
    answers = await asyncio.gather(*(publish(a_publish(id="e1")) for _ in range(5)))
    await world.attempted(2)

    assert [answer.status for answer in answers] == [202] * 5
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False, True, True, True, True]


@pytest.mark.parametrize("id_", ["", None])
async def test_an_id_is_made_if_there_is_none(id_: str | None) -> None:
    """Scenario 92."""
    async with running_api(event_prefix="evt_") as outpost:
        for path in ("/publish", "/publish?long"):
            answers = [await outpost.api("POST", path, a_publish(id=id_)) for _ in range(2)]

            assert all(answer.json()["id"].startswith("evt_") for answer in answers)
            assert answers[0].json()["id"] != answers[1].json()["id"]


async def test_an_event_has_the_time_it_is_given_or_that_of_its_acceptance(
    world: InProcessOutpost, publish: Publish
) -> None:
    await publish(a_publish(id="e1", time="2024-01-02T03:04:05.123456789+02:00", eligible_for_retry=False))
    await publish(a_publish(id="e2", time=None, eligible_for_retry=None))
    await world.attempted(4)

    one, two = [(await world.api("GET", f"/events/{id_}")).json() for id_ in ("e1", "e2")]
    assert (one["time"], one["eligible_for_retry"]) == ("2024-01-02T01:04:05.123456Z", False)
    assert (two["time"], two["eligible_for_retry"]) == ("2026-01-02T03:04:05.678901Z", True)


async def test_what_follows_the_body_is_passed_over(world: InProcessOutpost, publish: Publish) -> None:
    answer = await publish(raw=json.dumps(a_publish()).encode() + b" trailing")
    await world.attempted(2)

    assert answer.status == 202


@pytest.mark.parametrize(
    ("error", "retry_after", "data"),
    [
        (StoreUnavailable("ledger", "connection to db.internal refused"), "1", ["store_unavailable"]),
        (BacklogFull(5), "5", ["the backlog holds its limit of 5 deliveries; publish again later"]),
    ],
)
async def test_what_cannot_be_stored_is_not_accepted(
    world: InProcessOutpost,
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    retry_after: str,
    data: list[str],
) -> None:
    async def accept_many(acceptances: Any) -> Any:
        raise error

    monkeypatch.setattr(world.ledger, "accept_many", accept_many)

    answer = await publish(a_publish())

    assert (answer.status, answer.json()) == (503, refused(503, "service unavailable", data))
    assert answer.headers["retry-after"] == retry_after


async def test_a_fault_of_our_own_shows_nothing_of_itself(
    world: InProcessOutpost, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accept_many(acceptances: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(world.ledger, "accept_many", accept_many)

    answer = await publish(a_publish())

    assert (answer.status, answer.json()) == (500, refused(500, "internal server error"))


async def test_secrets_that_cannot_be_decrypted_are_said_to_be_the_cause(
    world: InProcessOutpost, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def destinations(tenant_id: TenantId) -> Any:
        raise CannotUnseal("the secrets of a destination")

    monkeypatch.setattr(world.store, "destinations", destinations)

    answer = await publish(a_publish())

    assert (answer.status, answer.json()["message"]) == (500, "internal server error")
    assert "secrets of a destination cannot be decrypted" in answer.json()["data"][0]
