"""`POST /retry`."""

import asyncio
from typing import Any

import pytest

from tests.support.api import REFUSED, InProcessOutpost, invalid, refused

WANTED = {"event_id": "e1", "destination_id": "w1"}


@pytest.fixture
async def delivered(outpost: InProcessOutpost) -> InProcessOutpost:
    """Event e1 of tenant t1, delivered to w1; w2 came later."""
    await outpost.tenant("t1")
    await outpost.webhook("w1")
    await outpost.publish("e1")
    await outpost.webhook("w2")
    return outpost


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, invalid("event_id is required", "destination_id is required")),
        ({"event_id": "", "destination_id": None}, invalid("event_id is required", "destination_id is required")),
        ({"event_id": "e1"}, invalid("destination_id is required")),
        ({"event_id": 1, "destination_id": "w1"}, refused(422, "invalid JSON", ["event_id must be a string"])),
    ],
)
async def test_a_retry_names_event_and_destination(
    outpost: InProcessOutpost, body: Any, refusal: dict[str, Any]
) -> None:
    """Scenario 124."""
    answer = await outpost.api("POST", "/retry", body)

    assert (answer.status, answer.json()) == (422, refusal)


async def test_a_delivered_event_can_be_sent_again_and_again(delivered: InProcessOutpost) -> None:
    """Scenario 125."""
    token = (await delivered.api("GET", "/tenants/t1/token")).json()["token"]

    for count, caller in ((2, "key"), (3, token)):
        answer = await delivered.api("POST", "/retry", WANTED, token=caller)
        assert (answer.status, answer.json()) == (202, {"success": True})
        await delivered.attempted(count)

    models = (await delivered.api("GET", "/attempts?dir=asc")).json()["models"]
    assert [(each["attempt_number"], each["manual"]) for each in models] == [(1, False), (2, True), (3, True)]


async def test_each_of_many_quick_retries_is_an_attempt_of_its_own(delivered: InProcessOutpost) -> None:
    """Fault 47."""
    answers = await asyncio.gather(*(delivered.api("POST", "/retry", WANTED) for _ in range(5)))
    await delivered.attempted(6)

    assert [answer.status for answer in answers] == [202] * 5
    assert sorted(attempt.attempt_number for attempt in delivered.log.attempts) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "body",
    [WANTED | {"event_id": "nope"}, WANTED | {"destination_id": "nope"}, WANTED | {"destination_id": "w2"}],
)
async def test_what_was_never_attempted_cannot_be_retried(delivered: InProcessOutpost, body: Any) -> None:
    """Scenario 126."""
    answer = await delivered.api("POST", "/retry", body)

    assert (answer.status, answer.json()) == (404, refused(404, "event not found"))


async def test_a_disabled_destination_takes_no_retry(delivered: InProcessOutpost) -> None:
    """Scenario 127."""
    await delivered.api("PUT", "/tenants/t1/destinations/w1/disable")

    answer = await delivered.api("POST", "/retry", WANTED)

    refusal = refused(400, "Destination is disabled", {"error": "destination_disabled"})
    assert (answer.status, answer.json()) == (400, refusal)


@pytest.mark.parametrize("change", [{"topics": ["user.updated"]}, {"filter": {"data": {"n": 2}}}])
async def test_a_destination_that_no_longer_wants_the_event_takes_no_retry(
    delivered: InProcessOutpost, change: Any
) -> None:
    """Scenario 127."""
    await delivered.api("PATCH", "/tenants/t1/destinations/w1", change)

    answer = await delivered.api("POST", "/retry", WANTED)

    assert (answer.status, answer.json()) == (400, refused(400, "destination does not match event"))


@pytest.mark.parametrize("path", ["/tenants/t1/destinations/w1", "/tenants/t1"])
async def test_a_deleted_destination_is_not_found(delivered: InProcessOutpost, path: str) -> None:
    """Scenario 128; fault 5."""
    await delivered.api("DELETE", path)

    answer = await delivered.api("POST", "/retry", WANTED)

    assert (answer.status, answer.json()) == (404, refused(404, "destination not found"))


async def test_another_tenants_event_is_not_found(delivered: InProcessOutpost) -> None:
    """Scenario 129."""
    token = await delivered.tenant("t2")
    await delivered.webhook("w1", "t2")

    answer = await delivered.api("POST", "/retry", WANTED, token=token)

    assert (answer.status, answer.json()) == (404, refused(404, "event not found"))


async def test_a_retry_takes_the_place_of_the_one_that_was_planned(outpost: InProcessOutpost) -> None:
    """Scenario 130, but for the schedule itself."""
    await outpost.tenant("t1")
    await outpost.webhook("w1")
    outpost.receivers.answers["w1"] = REFUSED
    await outpost.publish("e1")
    del outpost.receivers.answers["w1"]

    await outpost.api("POST", "/retry", WANTED)
    await outpost.attempted(2)

    assert [(each.attempt_number, each.manual) for each in outpost.log.attempts] == [(1, False), (2, True)]
    assert outpost.ledger.depth() == 0
