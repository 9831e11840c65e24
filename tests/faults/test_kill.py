"""Nothing that was answered 202 is ever lost, however often the process is killed."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.support.http import exchange
from tests.support.process import API_KEY, OutpostProcess
from tests.support.receiver import Receiver

_PUBLISHERS = 6
_IN_CI = 20
_LONG = 200


class Publishing:
    """Publishes without pause, with ids of its own, and remembers which were answered 202."""

    def __init__(self, outpost: OutpostProcess, seed: int) -> None:
        self._outpost = outpost
        self._seed = seed
        self._count = 0
        self.acknowledged: set[str] = set()

    async def run(self) -> None:
        while True:
            self._count += 1
            event_id = f"evt_{self._seed}_{self._count}"
            body = b'{"tenant_id":"acme","id":"%s","topic":"t","data":{"n":1}}' % event_id.encode()
            request = (
                b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (API_KEY.encode(), len(body), body)
            )
            try:
                answer = await exchange(self._outpost.port, request)
            except (OSError, EOFError, ValueError):
                await asyncio.sleep(0.01)  # it was killed and is not back yet
                continue
            if answer.status == 202:
                self.acknowledged.add(event_id)


async def _kill_again_and_again(outpost: OutpostProcess, receiver: Receiver, rounds: int) -> set[str]:
    chance = random.Random(20260102)
    publishers = [Publishing(outpost, seed) for seed in range(_PUBLISHERS)]
    await outpost.migrate()
    await outpost.start()
    await outpost.destination("acme", receiver.url("/ok"))
    await outpost.destination("acme", receiver.url("/flaky"))
    running = [asyncio.create_task(publisher.run()) for publisher in publishers]
    try:
        for number in range(rounds):
            # The moment of the kill is what is random here: while it works, and now and then while it starts.
            await asyncio.sleep(chance.uniform(0.01, 0.6 if number % 4 else 0.3))
            await outpost.kill()
            await (outpost.start() if (number + 1) % 4 else outpost.begin())
        await outpost.kill()
        await outpost.start()
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
    await outpost.until_settled()
    return set[str]().union(*(publisher.acknowledged for publisher in publishers))


def _assert_nothing_is_lost(outpost: OutpostProcess, receiver: Receiver, acknowledged: set[str]) -> None:
    delivered = dict(outpost.rows(_DELIVERED))
    numbers: dict[tuple[str, int], list[int]] = {}
    for event_id, destination, number in outpost.rows(_NUMBERS):
        numbers.setdefault((event_id, destination), []).append(number)

    assert len(acknowledged) > 100
    assert [event_id for event_id in acknowledged if delivered.get(event_id) != 2] == []
    assert [pair for pair, found in numbers.items() if found != list(range(1, len(found) + 1))] == []
    assert acknowledged <= receiver.event_ids("/ok")
    assert acknowledged <= receiver.event_ids("/flaky")
    assert outpost.rows(_OWED_NOTHING) == []
    assert outpost.rows(_ORPHANS) == [(0,)]
    assert outpost.rows("PRAGMA integrity_check") == [("ok",)]


_DELIVERED = """
SELECT events.id, count(DISTINCT destination_key) FROM attempts JOIN events ON events.key = event_key
 WHERE status = 'success' GROUP BY events.id"""
_NUMBERS = """
SELECT events.id, destination_key, attempt_number FROM attempts JOIN events ON events.key = event_key
 ORDER BY attempts.key"""
# An event that was stored without the tasks it owes would have no end, whether or not its publisher got an answer.
_OWED_NOTHING = """
SELECT id FROM events WHERE (SELECT count(DISTINCT destination_key) FROM attempts WHERE event_key = events.key) <> 2"""
_ORPHANS = "SELECT count(*) FROM attempts WHERE event_key NOT IN (SELECT key FROM events)"


def _settings() -> dict[str, str]:
    return {"RETRY_SCHEDULE": "1,1,1,1,1,1,1,1,1,1", "TOPICS": "t", "LOG_LEVEL": "error"}


@pytest.mark.timeout(300)
async def test_no_acknowledged_event_is_lost_by_killing(tmp_path: Path, receiver: Receiver) -> None:
    receiver.fail_once_each("/flaky")
    async with OutpostProcess(tmp_path, _settings()) as outpost:
        acknowledged = await _kill_again_and_again(outpost, receiver, _IN_CI)

        _assert_nothing_is_lost(outpost, receiver, acknowledged)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_no_acknowledged_event_is_lost_by_killing_two_hundred_times(tmp_path: Path, receiver: Receiver) -> None:
    receiver.fail_once_each("/flaky")
    async with OutpostProcess(tmp_path, _settings()) as outpost:
        acknowledged = await _kill_again_and_again(outpost, receiver, _LONG)

        _assert_nothing_is_lost(outpost, receiver, acknowledged)
