"""Each server is restarted under load: nothing is lost, and work goes on within a second after it is back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.distributed.no_loss import assert_nothing_is_lost, told, until_delivered_anew, until_on_record
from tests.support.deployment import Servers, deployment
from tests.support.load import Load
from tests.support.receiver import Receiver

_RECOVERY_SECONDS = 5.0
"""Generous: on a quiet machine it is well below one."""


def _stop_redis(servers: Servers) -> Callable[[], None]:
    servers.redis.stop()
    return servers.redis.start


def _stop_rabbitmq(servers: Servers) -> Callable[[], None]:
    servers.rabbitmq.stop()
    return servers.rabbitmq.start


def _stop_postgres(servers: Servers) -> Callable[[], None]:
    servers.postgres.stop()
    return servers.postgres.start


def _flush_scripts(servers: Servers) -> Callable[[], None]:
    servers.redis.command("SCRIPT", "FLUSH")
    return _nothing


def _close_connections(servers: Servers) -> Callable[[], None]:
    servers.rabbitmq.control("close_all_connections", "test")
    return _nothing


def _nothing() -> None: ...


@pytest.mark.parametrize(
    "trouble",
    [_stop_redis, _flush_scripts, _stop_rabbitmq, _close_connections, _stop_postgres],
    ids=lambda f: f.__name__,
)
async def test_a_restart_under_load_loses_nothing(
    servers: Servers, tmp_path: Path, receiver: Receiver, trouble: Callable[[Servers], Callable[[], None]]
) -> None:
    receiver.fail_once_each("/flaky")
    async with deployment(servers, tmp_path, RETRY_SCHEDULE="1,1,1") as outpost:
        await outpost.start()
        await outpost.process.destination("acme", receiver.url("/ok"))
        await outpost.process.destination("acme", receiver.url("/flaky"))
        async with Load(outpost.process) as load:
            await load.until_accepted(50)
            back = await servers.do(lambda: trouble(servers))
            await servers.do(back)
            delivering = await until_delivered_anew(load, receiver)
            recording = await until_on_record(outpost, list(load.accepted)[:50])
            await load.until_accepted(50)

        told(trouble.__name__, delivering=delivering, recording=recording)
        await assert_nothing_is_lost(outpost, receiver, load.accepted)
        await assert_nothing_is_lost(outpost, receiver, load.accepted, path="/flaky")
        assert load.unexplained == 0
        assert delivering < _RECOVERY_SECONDS


async def test_a_restart_of_clickhouse_under_load_loses_nothing(
    servers: Servers, tmp_path: Path, receiver: Receiver
) -> None:
    async with deployment(servers, tmp_path, on_clickhouse=True) as outpost:
        await outpost.start()
        await outpost.process.destination("acme", receiver.url("/ok"))
        async with Load(outpost.process) as load:
            await load.until_accepted(50)
            await servers.do(servers.clickhouse.stop)
            await load.until_accepted(50)
            await servers.do(servers.clickhouse.start)
            recording = await until_on_record(outpost, list(load.accepted))
            await load.until_accepted(50)

        told("clickhouse", recording=recording)
        await assert_nothing_is_lost(outpost, receiver, load.accepted)
        assert load.unexplained == 0
        assert recording < _RECOVERY_SECONDS
