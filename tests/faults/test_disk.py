"""A full disk, a damaged file, a file that someone else holds."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.process import OutpostProcess, running_outpost
from tests.support.receiver import Receiver
from tests.support.small_disk import small_disk

_EVENT = {"tenant_id": "acme", "topic": "t", "data": {}}
_LARGE_EVENT = {**_EVENT, "data": {"fill": "x" * 100_000}}


async def test_a_full_disk_answers_503_and_never_202_and_work_goes_on_when_there_is_room(
    tmp_path: Path, receiver: Receiver
) -> None:
    with small_disk(tmp_path) as disk:
        async with OutpostProcess(disk.folder) as outpost:
            await outpost.migrate()
            await outpost.start(limits=disk.limit)
            await outpost.destination("acme", receiver.url("/ok"))
            accepted: list[str] = []
            async with asyncio.timeout(60):
                while (answer := await outpost.api("POST", "/publish", _LARGE_EVENT)).status == 202:
                    accepted.append(answer.json()["id"])

            assert answer.status == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["data"] == ["store_unavailable"]
            disk.make_room(outpost.process.pid)
            async with asyncio.timeout(30):
                while (again := await outpost.api("POST", "/publish", _LARGE_EVENT)).status != 202:
                    await asyncio.sleep(0.05)
            accepted.append(again.json()["id"])
            await outpost.until_settled()
            stored = {row[0] for row in outpost.rows("SELECT id FROM events")}
            assert stored == set(accepted)
            assert receiver.event_ids("/ok") >= set(accepted)
            assert await outpost.terminate() == 0


async def test_a_damaged_file_is_not_served(tmp_path: Path) -> None:
    async with OutpostProcess(tmp_path) as outpost:
        await outpost.migrate()
        content = bytearray(outpost.database.read_bytes())
        content[100:4096] = b"\xff" * 3996
        outpost.database.write_bytes(content)

        code, out, err = await outpost.run("serve")

        assert code not in (0, 10)
        assert "malformed" in err
        assert "Traceback" not in out + err


@pytest.mark.parametrize("part", ["destinations", "attempts_by_time"])
async def test_damage_that_is_met_while_serving_is_told_and_ends_the_process(
    tmp_path: Path, receiver: Receiver, part: str
) -> None:
    receiver.answer("/flaky", 500)
    async with running_outpost(tmp_path, RETRY_SCHEDULE="1,1") as outpost:
        await outpost.destination("acme", receiver.url("/flaky"))
        await outpost.api("POST", "/publish", _EVENT)
        await receiver.until(1, "/flaky")
        await outpost.terminate()
        _damage(outpost.database, part)

        await outpost.begin()

        async with asyncio.timeout(20):
            assert await outpost.process.wait() == 1
        log = outpost.log.read_text()
        assert "is damaged" in log
        assert "restore it from a backup" in log
        assert "Traceback" not in log


def _damage(database: Path, part: str) -> None:
    """Overwrite the first page of a table or an index."""
    with closing(sqlite3.connect(database)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (part,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


async def test_a_second_server_on_the_same_file_is_refused(tmp_path: Path) -> None:
    async with running_outpost(tmp_path) as outpost:
        code, _, err = await outpost.run("serve", API_PORT="0")

        assert code == 64
        assert str(outpost.process.pid) in err
        assert await outpost.healthy()
