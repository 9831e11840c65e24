"""A full disk, a damaged file, a file that someone else holds."""

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.process import OutpostProcess, running_outpost
from tests.support.receiver import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


def _limit_file_size(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


async def test_a_full_disk_answers_503_and_never_202_and_work_goes_on_when_there_is_room(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The kernel refuses to let the log grow past a size, as it does when a disk is full."""
    event = {"tenant_id": "acme", "topic": "t", "data": {"fill": "x" * 100_000}}
    async with OutpostProcess(tmp_path) as outpost:
        await outpost.migrate()
        await outpost.start(limits=lambda: _limit_file_size(8 * 1024 * 1024))
        await outpost.destination("acme", receiver.url("/ok"))
        accepted: list[str] = []
        async with asyncio.timeout(60):
            while (answer := await outpost.api("POST", "/publish", event)).status == 202:
                accepted.append(answer.json()["id"])

        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "SQLite" not in answer.json()["message"] or "available" in answer.json()["message"]
        resource.prlimit(outpost.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        async with asyncio.timeout(30):
            while (again := await outpost.api("POST", "/publish", event)).status != 202:
                await asyncio.sleep(0.05)
        accepted.append(again.json()["id"])
        await outpost.until_settled()
        stored = {row[0] for row in outpost.rows("SELECT id FROM events")}
        assert stored == set(accepted)
        assert receiver.event_ids("/ok") >= set(accepted)


async def test_a_damaged_database_says_so_and_stops(tmp_path: Path) -> None:
    async with OutpostProcess(tmp_path) as outpost:
        await outpost.migrate()
        content = bytearray(outpost.database.read_bytes())
        content[100:4096] = b"\xff" * 3996
        outpost.database.write_bytes(content)

        code, out, err = await outpost.run("serve")

        assert code not in (0, 10)
        assert "damaged" in out + err or "corrupt" in out + err or "malformed" in out + err
        assert "Traceback" not in out + err


async def test_a_second_server_on_the_same_file_is_refused(tmp_path: Path) -> None:
    async with running_outpost(tmp_path) as outpost:
        code, _, err = await outpost.run("serve", API_PORT="0")

        assert code == 64
        assert str(outpost.process.pid) in err
        assert await outpost.healthy()


async def test_sigterm_lets_deliveries_in_flight_end(tmp_path: Path, receiver: Receiver) -> None:
    receiver.hold("/slow")
    async with running_outpost(tmp_path) as outpost:
        await outpost.destination("acme", receiver.url("/slow"))
        await outpost.api("POST", "/publish", {"tenant_id": "acme", "topic": "t", "data": {}})
        await receiver.until(1, "/slow")
        stopping = asyncio.create_task(outpost.terminate())
        async with asyncio.timeout(10):
            while await outpost.healthy():
                await asyncio.sleep(0.02)

        receiver.let_go("/slow")

        assert await stopping == 0
        assert outpost.rows("SELECT status, attempt_number FROM attempts") == [("success", 1)]
        assert outpost.rows("SELECT count(*) FROM tasks") == [(0,)]


async def test_sigterm_of_an_idle_server_takes_less_than_a_second(tmp_path: Path) -> None:
    async with running_outpost(tmp_path) as outpost:
        loop = asyncio.get_running_loop()
        _, idle = await asyncio.open_connection("127.0.0.1", outpost.port)
        started = loop.time()

        code = await outpost.terminate()

        assert code == 0
        assert loop.time() - started < 1.0
        idle.close()
