"""What must not grow for ever: old events, and the write-ahead log."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.process import OutpostProcess, running_outpost
from tests.support.receiver import Receiver

_DAY = 86_400_000_000
_MEBIBYTE = 1024 * 1024
_LOG_LIMIT = 64 * _MEBIBYTE


async def _publish(outpost: OutpostProcess, count: int, fill: str = "") -> None:
    for _ in range(count):
        answer = await outpost.api("POST", "/publish", {"tenant_id": "acme", "topic": "t", "data": {"fill": fill}})
        assert answer.status == 202


async def test_what_is_older_than_the_operator_keeps_is_deleted(tmp_path: Path, receiver: Receiver) -> None:
    async with running_outpost(tmp_path, LOG_RETENTION_DAYS="30") as outpost:
        await outpost.destination("acme", receiver.url("/ok"))
        await _publish(outpost, 20)
        await outpost.until_settled()
        await outpost.terminate()
        with closing(sqlite3.connect(outpost.database)) as connection, connection:
            for table in ("events", "attempts"):
                (middle,) = connection.execute(f"SELECT max(key) - 10 FROM {table}").fetchone()
                connection.execute(f"UPDATE {table} SET time = time - ? WHERE key <= ?", (31 * _DAY, middle))
        ids = [event_id for (event_id,) in outpost.rows("SELECT id FROM events ORDER BY key")]

        await outpost.start()

        async with asyncio.timeout(20):
            while outpost.rows("SELECT count(*) FROM events") != [(10,)]:
                await asyncio.sleep(0.05)
        assert [event_id for (event_id,) in outpost.rows("SELECT id FROM events ORDER BY key")] == ids[10:]
        assert outpost.rows("SELECT count(*) FROM attempts") == [(10,)]
        assert (await outpost.api("GET", f"/events/{ids[0]}")).status == 404
        assert (await outpost.api("GET", f"/events/{ids[-1]}")).status == 200


async def test_the_log_of_the_file_stays_bounded_under_load(tmp_path: Path, receiver: Receiver) -> None:
    log = tmp_path / "outpost.db-wal"
    sizes: list[int] = []

    async def publish(outpost: OutpostProcess) -> None:
        for _ in range(20):
            await _publish(outpost, 10, fill="x" * 200_000)
            sizes.append(log.stat().st_size)

    async with running_outpost(tmp_path) as outpost:
        await outpost.destination("acme", receiver.url("/ok"))

        await asyncio.gather(*(publish(outpost) for _ in range(4)))
        await outpost.until_settled()

        assert outpost.database.stat().st_size > 2 * _LOG_LIMIT
        assert max(sizes) < _LOG_LIMIT + 16 * _MEBIBYTE
        assert await outpost.terminate() == 0
        assert not log.exists()
