"""SIGTERM: what is under way ends, nothing is repeated, and nobody who dawdles is waited for."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.http import connected
from tests.support.process import API_KEY, OutpostProcess, running_outpost
from tests.support.receiver import Receiver

_KEY = b"Authorization: Bearer " + API_KEY.encode()
_BEGUN = {
    "nothing": b"",
    "half a head": b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n",
    "half a publish": b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n" + _KEY + b"\r\nContent-Length: 100\r\n\r\n{",
    "half a put": b"PUT /api/v1/tenants/acme HTTP/1.1\r\nHost: x\r\n" + _KEY + b"\r\nContent-Length: 100\r\n\r\n{",
}


async def _refuses(outpost: OutpostProcess) -> None:
    async with asyncio.timeout(10):
        while await outpost.healthy():
            await asyncio.sleep(0.02)


async def test_deliveries_in_flight_end_and_are_recorded(tmp_path: Path, receiver: Receiver) -> None:
    receiver.hold("/slow")
    async with running_outpost(tmp_path) as outpost:
        await outpost.destination("acme", receiver.url("/slow"))
        await outpost.api("POST", "/publish", {"tenant_id": "acme", "topic": "t", "data": {}})
        await receiver.until(1, "/slow")
        stopping = asyncio.create_task(outpost.terminate())
        await _refuses(outpost)

        receiver.let_go("/slow")

        assert await stopping == 0
        assert outpost.rows("SELECT status, attempt_number FROM attempts") == [("success", 1)]
        assert outpost.rows("SELECT count(*) FROM tasks") == [(0,)]


async def test_a_stop_under_load_loses_nothing_and_repeats_nothing(tmp_path: Path, receiver: Receiver) -> None:
    accepted: list[str] = []

    async def publish(outpost: OutpostProcess) -> None:
        while True:
            try:
                answer = await outpost.api("POST", "/publish", {"tenant_id": "acme", "topic": "t", "data": {}})
            except (OSError, EOFError):
                return
            if answer.status == 202:
                accepted.append(json.loads(answer.body)["id"])

    async with running_outpost(tmp_path) as outpost:
        await outpost.destination("acme", receiver.url("/ok"))
        publishers = [asyncio.create_task(publish(outpost)) for _ in range(8)]
        await receiver.until(200, "/ok")

        assert await outpost.terminate() == 0
        await asyncio.wait(publishers)
        await outpost.start()
        await outpost.until_settled()

        arrived = Counter(request.event_id for request in receiver.requests("/ok"))
        assert set(arrived) == set(accepted)
        assert set(arrived.values()) == {1}


@pytest.mark.parametrize("begun", _BEGUN.values(), ids=_BEGUN)
async def test_two_hundred_connections_that_do_not_go_on_delay_nothing(tmp_path: Path, begun: bytes) -> None:
    async with running_outpost(tmp_path) as outpost, AsyncExitStack() as stack:
        loop = asyncio.get_running_loop()
        connections = [await stack.enter_async_context(connected(outpost.port)) for _ in range(200)]
        for connection in connections:
            connection.send(begun)
        assert await outpost.healthy()  # by now the others were read too
        started = loop.time()

        code = await outpost.terminate()

        assert code == 0
        assert loop.time() - started < 3.0  # the patience with them would last ten


async def test_a_request_that_has_begun_to_arrive_is_still_answered(tmp_path: Path, receiver: Receiver) -> None:
    receiver.hold("/slow")
    body = b'{"tenant_id":"acme","topic":"t","data":{}}'
    head = b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n" % (_KEY, len(body))
    async with running_outpost(tmp_path) as outpost, connected(outpost.port) as connection:
        await outpost.destination("acme", receiver.url("/slow"))
        connection.send(head + body[:5])
        assert await outpost.healthy()
        stopping = asyncio.create_task(outpost.terminate())
        await _refuses(outpost)

        connection.send(body[5:])

        assert (await connection.answer()).status == 202
        receiver.let_go("/slow")
        assert await stopping == 0
        assert outpost.rows("SELECT count(*) FROM events") == [(1,)]


async def test_the_file_is_closed_and_holds_everything_itself(tmp_path: Path, receiver: Receiver) -> None:
    async with running_outpost(tmp_path) as outpost:
        await outpost.destination("acme", receiver.url("/ok"))
        await outpost.api("POST", "/publish", {"tenant_id": "acme", "topic": "t", "data": {}})
        await receiver.until(1, "/ok")

        assert await outpost.terminate() == 0

    # SQLite removes its log with the last connection, and only then.
    assert not list(tmp_path.glob("outpost.db-*"))
