"""`outpost serve --workers N`: several processes on one port, kept alive by one."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.support.clickhouse import ClickHouseDatabase
from tests.support.process import OutpostProcess
from tests.support.receiver import Receiver
from tests.support.supervised import pids, running_distributed


async def _until_listening(outpost: OutpostProcess, count: int) -> list[int]:
    """Wait until so many processes answer; return their ids."""
    async with asyncio.timeout(30):
        while len(listening := _listening(outpost)) != count:
            await asyncio.sleep(0.05)
    return listening


def _listening(outpost: OutpostProcess) -> list[int]:
    alive = [pid for pid in pids(outpost) if _is_alive(pid)]
    return [
        pid
        for pid in alive
        if any(
            connection.laddr.port == outpost.port and connection.status == psutil.CONN_LISTEN
            for connection in psutil.Process(pid).net_connections("tcp")
        )
    ]


def _is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def _until_ended(numbers: list[int]) -> None:
    async with asyncio.timeout(30):
        while any(map(_is_alive, numbers)):
            await asyncio.sleep(0.05)


async def _publish(outpost: OutpostProcess, event_id: str) -> None:
    """Publish as a client does whose connection may be lost: again, until it is accepted."""
    event = {"id": event_id, "tenant_id": "acme", "topic": "t", "data": {}}
    while True:
        try:
            answer = await outpost.api("POST", "/publish", event)
        except (OSError, EOFError):
            continue
        assert answer.status == 202, answer.body
        return


def _cpu_seconds(pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


async def test_all_processes_answer_on_one_port_and_deliver(
    tmp_path: Path, stores: Mapping[str, str], receiver: Receiver
) -> None:
    async with running_distributed(tmp_path, stores, WORKERS="2") as outpost:
        children = await _until_listening(outpost, 2)
        await outpost.destination("acme", receiver.url("/hook"))
        before = [_cpu_seconds(pid) for pid in children]

        await asyncio.gather(*(_publish(outpost, f"evt_{number}") for number in range(300)))
        await receiver.until(300, "/hook")

        assert all(_cpu_seconds(pid) > used for pid, used in zip(children, before, strict=True))
        assert all(isinstance(json.loads(line), dict) for line in outpost.log.read_text().splitlines())


async def test_a_process_that_is_killed_under_load_is_replaced_and_nothing_is_lost(
    tmp_path: Path, stores: Mapping[str, str], receiver: Receiver
) -> None:
    async with running_distributed(tmp_path, stores, WORKERS="2") as outpost:
        first, second = await _until_listening(outpost, 2)
        await outpost.destination("acme", receiver.url("/hook"))
        publishing = asyncio.gather(*(_publish(outpost, f"evt_{number}") for number in range(300)))
        await receiver.until(20, "/hook")

        os.kill(first, signal.SIGKILL)

        await publishing
        await asyncio.wait_for(_until_all(receiver, 300), 60)
        replaced = await _until_listening(outpost, 2)
        assert second in replaced
        assert first not in replaced
        assert "SIGKILL" in outpost.log.read_text()


async def _until_all(receiver: Receiver, count: int) -> None:
    arrived = 0
    while len(receiver.event_ids("/hook")) < count:
        arrived += 1
        await receiver.until(arrived, "/hook", seconds=60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_all_of_them_and_what_is_in_flight_is_finished(
    tmp_path: Path, stores: Mapping[str, str], receiver: Receiver, number: signal.Signals
) -> None:
    receiver.hold("/hook")
    async with running_distributed(tmp_path, stores, WORKERS="2") as outpost:
        children = await _until_listening(outpost, 2)
        await outpost.destination("acme", receiver.url("/hook"))
        await _publish(outpost, "evt_1")
        await receiver.until(1, "/hook")

        outpost.process.send_signal(number)
        async with asyncio.timeout(10):
            while "shutting down" not in outpost.log.read_text():
                await asyncio.sleep(0.02)
        receiver.let_go("/hook")

        assert await asyncio.wait_for(outpost.process.wait(), 20) == 0
        assert not any(map(_is_alive, children))
        assert len(receiver.requests("/hook")) == 1


async def test_no_process_outlives_the_one_that_started_it(tmp_path: Path, stores: Mapping[str, str]) -> None:
    async with running_distributed(tmp_path, stores, WORKERS="2") as outpost:
        children = await _until_listening(outpost, 2)

        await outpost.kill()

        await _until_ended(children)


async def test_what_is_wrong_with_the_configuration_ends_all_and_is_said_once(
    tmp_path: Path, stores: Mapping[str, str]
) -> None:
    outpost = OutpostProcess(tmp_path, {**stores, "WORKERS": "3", "MQS_AUTO_PROVISION": "false"})
    await outpost.migrate()

    code, _, errors = await outpost.run("serve")

    assert code == 64
    assert errors.count("Error: RabbitMQ has no exchange 'outpost'") == 1


async def test_a_port_that_another_program_listens_on_is_not_shared(tmp_path: Path, stores: Mapping[str, str]) -> None:
    outpost = OutpostProcess(tmp_path, {**stores, "WORKERS": "2"})
    await outpost.migrate()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("0.0.0.0", outpost.port))
        other.listen()

        code, _, errors = await outpost.run("serve")

    assert code == 64
    assert "cannot listen on" in errors


@pytest.fixture(params=["postgres", "clickhouse"])
def stores_with_each_log(request: pytest.FixtureRequest, stores: Mapping[str, str]) -> Mapping[str, str]:
    if request.param == "postgres":
        return stores
    database: ClickHouseDatabase = request.getfixturevalue("clickhouse_database")
    return {**{name: value for name, value in stores.items() if name != "POSTGRES_URL"}, **database.settings}


async def test_what_each_process_needs_is_imported_once_for_all(
    tmp_path: Path, stores_with_each_log: Mapping[str, str]
) -> None:
    program = (sys.executable, "-X", "importtime", "-m", "outpost")
    async with OutpostProcess(tmp_path, {**stores_with_each_log, "WORKERS": "2"}, program=program) as outpost:
        await outpost.migrate()
        await outpost.start()
        await _until_listening(outpost, 2)
        assert await outpost.terminate() == 0
    imported = Counter(re.findall(r"^import time: .* (\S+)$", outpost.log.read_text(), re.MULTILINE))

    assert imported["outpost.pipeline.publish"] == 1
    assert [name for name, times in imported.items() if times > 1 and _exists(name)] == []


def _exists(module: str) -> bool:
    """Tell it from one that is looked for in vain, by each process anew."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
