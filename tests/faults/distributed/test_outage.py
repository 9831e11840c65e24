"""A server stays away for a while: work pauses, nothing is given up, and it goes on soon after the server is back."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.distributed.no_loss import (
    assert_nothing_is_lost,
    assert_one_outage_is_told_of,
    rss_mebibytes,
    told,
    until_delivered_anew,
    until_on_record,
)
from tests.support.deployment import Servers, deployment
from tests.support.load import Load
from tests.support.receiver import Receiver

_POSTGRES_AWAY, _REDIS_AWAY = 6, 5
_POSTGRES_AWAY_LONG, _REDIS_AWAY_LONG = 120, 30
_RECOVERY_SECONDS = 8.0
_REMINDER_SECONDS = 60
_MOST_MEBIBYTES = 200


async def _postgres_away(servers: Servers, folder: Path, receiver: Receiver, seconds: float) -> None:
    async with deployment(servers, folder) as outpost:
        await outpost.start()
        await outpost.process.destination("acme", receiver.url("/ok"))
        async with Load(outpost.process, per_second=100) as load:
            await load.until_accepted(50)
            await servers.do(servers.postgres.stop)
            before = set(load.accepted)
            await asyncio.sleep(seconds)
            during = set(load.accepted) - before
            arrived = len(during & receiver.event_ids("/ok"))
            await servers.do(servers.postgres.start)
            recording = await until_on_record(outpost, during)
        memory = rss_mebibytes(outpost.process.process.pid)

        told(f"Postgres away {seconds} s", accepted=len(during), arrived=arrived, recording=recording, rss=memory)
        assert load.answers.keys() == {202}
        assert arrived
        assert memory < _MOST_MEBIBYTES
        assert recording < _RECOVERY_SECONDS
        await assert_nothing_is_lost(outpost, receiver, load.accepted)
        if seconds < _REMINDER_SECONDS:
            await assert_one_outage_is_told_of(outpost, "Postgres")


async def _redis_away(servers: Servers, folder: Path, receiver: Receiver, seconds: float) -> None:
    receiver.fail_once_each("/flaky")
    async with deployment(servers, folder, RETRY_SCHEDULE="1,1,1") as outpost:
        await outpost.start()
        await outpost.process.destination("acme", receiver.url("/ok"))
        await outpost.process.destination("acme", receiver.url("/flaky"))
        async with Load(outpost.process, per_second=100) as load:
            await load.until_accepted(50)
            await servers.do(servers.redis.stop)
            before, refused = len(load.accepted), load.answers[503]
            await asyncio.sleep(seconds)
            refused = load.answers[503] - refused
            accepted = len(load.accepted) - before
            await servers.do(servers.redis.start)
            delivering = await until_delivered_anew(load, receiver)
            await load.until_accepted(50)

        told(f"Redis away {seconds} s", refused=refused, accepted=accepted, delivering=delivering)
        assert refused
        assert load.unexplained == 0
        assert load.answers.keys() <= {202, 503}
        assert delivering < _RECOVERY_SECONDS
        await assert_nothing_is_lost(outpost, receiver, load.accepted)
        await assert_nothing_is_lost(outpost, receiver, load.accepted, path="/flaky")
        await assert_one_outage_is_told_of(outpost, "Redis")


async def test_postgres_away_stops_no_publisher_and_loses_no_record(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    await _postgres_away(servers, tmp_path, receiver, _POSTGRES_AWAY)


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_postgres_away_for_two_minutes_stops_no_publisher_and_loses_no_record(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    await _postgres_away(servers, tmp_path, receiver, _POSTGRES_AWAY_LONG)


async def test_redis_away_is_told_to_publishers_and_loses_nothing(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    await _redis_away(servers, tmp_path, receiver, _REDIS_AWAY)


@pytest.mark.long
@pytest.mark.timeout(200)
async def test_redis_away_for_half_a_minute_is_told_to_publishers_and_loses_nothing(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    await _redis_away(servers, tmp_path, receiver, _REDIS_AWAY_LONG)
