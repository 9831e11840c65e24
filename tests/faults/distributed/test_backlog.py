"""A backlog is worked off with bounded memory, and nothing of it is lost."""

from pathlib import Path

import pytest

from tests.faults.distributed.no_loss import assert_nothing_is_lost, rss_mebibytes, told, until
from tests.support.deployment import Servers, deployment
from tests.support.load import Load
from tests.support.receiver import Receiver

_IN_CI, _LONG = 5_000, 100_000
_MOST_MEBIBYTES = 200


async def _work_off(servers: Servers, folder: Path, receiver: Receiver, count: int) -> None:
    async with deployment(servers, folder) as outpost:
        await outpost.start("api")
        await outpost.process.destination("acme", receiver.url("/ok"))
        async with Load(outpost.process, per_second=100_000, publishers=64) as load:
            await load.until_accepted(count, seconds=count / 100)
        delivering = outpost.of_role("delivery")
        most = 0.0

        def all_arrived() -> bool:
            nonlocal most
            most = max(most, rss_mebibytes(delivering.process.pid))
            return load.accepted.keys() <= receiver.event_ids("/ok")

        await outpost.start("delivery", "log")
        seconds = await until(all_arrived, "the backlog", seconds=count / 50)

        told(f"backlog of {count}", seconds=seconds, per_second=len(load.accepted) / seconds, rss=most)
        assert most < _MOST_MEBIBYTES
        await assert_nothing_is_lost(outpost, receiver, load.accepted, seconds=count / 50)


@pytest.mark.timeout(180)
async def test_a_backlog_is_worked_off_with_bounded_memory(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    await _work_off(servers, tmp_path, receiver, _IN_CI)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_a_backlog_of_a_hundred_thousand_is_worked_off_with_bounded_memory(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    await _work_off(servers, tmp_path, receiver, _LONG)
