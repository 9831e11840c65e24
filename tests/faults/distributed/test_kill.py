"""Nothing that was answered 202 is lost, however often a process is killed."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.faults.distributed.no_loss import assert_nothing_is_lost, told, until_delivered_anew
from tests.support.deployment import Deployment, Servers, deployment
from tests.support.load import Load
from tests.support.receiver import Receiver

_IN_CI = 6
_LONG = 60
_CRASHES = 7


async def _kill(outpost: Deployment, role: str, load: Load, receiver: Receiver, rounds: int) -> None:
    chance = random.Random(20260102)
    process = outpost.of_role(role)
    for _ in range(rounds):
        # The moment of the kill is what is random here.
        await asyncio.sleep(chance.uniform(0.05, 0.5))
        await process.kill()
        await process.start()
    told(f"killed {role}", delivering=await until_delivered_anew(load, receiver))


async def _kill_under_load(servers: Servers, folder: Path, receiver: Receiver, roles: dict[str, int]) -> None:
    """Args:
    roles: How often the process of each is killed.
    """
    receiver.fail_once_each("/flaky")
    # A short timeout, because the claim of a process that died lasts only a few seconds longer.
    settings = {"RETRY_SCHEDULE": "1,1,1,1,1,1", "DELIVERY_TIMEOUT_SECONDS": "1"}
    async with deployment(servers, folder, on_clickhouse=False, **settings) as outpost:
        await outpost.start(*roles)
        await outpost.process.destination("acme", receiver.url("/ok"))
        await outpost.process.destination("acme", receiver.url("/flaky"))
        async with Load(outpost.process) as load:
            await load.until_accepted(50)
            for role, rounds in roles.items():
                await _kill(outpost, role, load, receiver, rounds)

        await assert_nothing_is_lost(outpost, receiver, load.accepted)
        await assert_nothing_is_lost(outpost, receiver, load.accepted, path="/flaky")
        assert load.unexplained == 0


async def test_no_accepted_event_is_lost_by_killing(servers: Servers, tmp_path: Path, receiver: Receiver) -> None:
    await _kill_under_load(servers, tmp_path, receiver, {"all": _IN_CI})


async def test_no_accepted_event_is_lost_by_killing_one_role_after_the_other(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    await _kill_under_load(servers, tmp_path, receiver, {"api": 1, "delivery": 1, "log": 1})


async def test_a_backlog_outlives_more_crashes_than_the_broker_forgives(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    """FIX-5: every crash costs each message that was lent one of its few deliveries."""
    receiver.hold("/ok")
    async with deployment(servers, tmp_path, DELIVERY_TIMEOUT_SECONDS="3") as outpost:
        await outpost.start()
        await outpost.process.destination("acme", receiver.url("/ok"))
        async with Load(outpost.process, per_second=500) as load:
            await load.until_accepted(300)
        for _ in range(_CRASHES):
            await outpost.until_all_is_lent()
            await outpost.process.kill()
            await outpost.process.start()
        receiver.let_go("/ok")

        await assert_nothing_is_lost(outpost, receiver, load.accepted)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_no_accepted_event_is_lost_by_killing_sixty_times(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    await _kill_under_load(servers, tmp_path, receiver, {"all": _LONG})
