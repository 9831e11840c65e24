"""One receiver that hangs and one that refuses, among ten, do not stand in the way of the others."""

import asyncio
from pathlib import Path

import pytest

from tests.support.process import OutpostProcess, running_outpost
from tests.support.receiver import Receiver

_HEALTHY = [f"/healthy{number}" for number in range(8)]
_PATHS = ["/hanging", "/refusing", *_HEALTHY]
_EVENTS = 40
_FIRST_WINDOW = 16
"""Deliveries at once to a destination about which nothing is known."""


async def _publish(outpost: OutpostProcess, tenants: list[str]) -> None:
    for _ in range(_EVENTS):
        events = [{"tenant_id": tenant, "topic": "t", "data": {}} for tenant in tenants]
        answers = await asyncio.gather(*(outpost.api("POST", "/publish", event) for event in events))
        assert {answer.status for answer in answers} == {202}


@pytest.mark.parametrize("shared", [False, True], ids=["a tenant each", "one tenant"])
async def test_every_healthy_receiver_gets_everything_while_one_hangs(
    tmp_path: Path, receiver: Receiver, shared: bool
) -> None:
    receiver.hold("/hanging")
    receiver.answer("/refusing", 500)
    async with running_outpost(tmp_path, DELIVERY_TIMEOUT_SECONDS="60") as outpost:
        tenants = ["acme"] if shared else [path[1:] for path in _PATHS]
        for number, path in enumerate(_PATHS):
            await outpost.destination(tenants[number % len(tenants)], receiver.url(path))

        await _publish(outpost, tenants)

        for path in _HEALTHY:
            assert len(await receiver.until(_EVENTS, path)) == _EVENTS
        await receiver.until(_EVENTS, "/refusing")
        assert 1 <= len(receiver.requests("/hanging")) <= _FIRST_WINDOW
        assert await outpost.healthy()


async def test_a_small_limit_on_concurrency_is_not_all_given_to_the_one_that_hangs(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.hold("/hanging")
    settings = {"DELIVERY_MAX_CONCURRENCY": "4", "DELIVERY_TIMEOUT_SECONDS": "60"}
    async with running_outpost(tmp_path, **settings) as outpost:
        await outpost.destination("hanging", receiver.url("/hanging"))
        await outpost.destination("healthy", receiver.url("/healthy"))

        await _publish(outpost, ["hanging", "healthy"])

        await receiver.until(_EVENTS, "/healthy")
        assert len(receiver.requests("/hanging")) == 2


async def test_a_receiver_that_comes_back_gets_all_that_waited(tmp_path: Path, receiver: Receiver) -> None:
    receiver.hold("/hanging")
    async with running_outpost(tmp_path, DELIVERY_TIMEOUT_SECONDS="1", RETRY_SCHEDULE="1,1,1,1") as outpost:
        await outpost.destination("acme", receiver.url("/hanging"))
        await _publish(outpost, ["acme"])
        await receiver.until(_FIRST_WINDOW, "/hanging")

        receiver.let_go("/hanging")

        await outpost.until_settled()
        assert len(receiver.event_ids("/hanging")) == _EVENTS
        delivered = "SELECT count(DISTINCT event_key) FROM attempts WHERE status = 'success'"
        assert outpost.rows(delivered) == [(_EVENTS,)]
