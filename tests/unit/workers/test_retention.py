"""What is older than the operator keeps is deleted, a little at a time."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from outpost.ports.log_store import LogStore
from outpost.stores.log.memory import MemoryLog, MemoryLogStore
from outpost.workers.retention import Retention
from tests.support.builders import START, an_event
from tests.support.clock import SetClock

_BATCH = 500


class Expired:
    """A log with a number of expired events.

    Attributes:
        calls: How each deletion was asked for.
    """

    def __init__(self, count: int, *, failures: int = 0) -> None:
        self.count = count
        self.calls: list[tuple[datetime, int]] = []
        self._failures = failures

    async def delete_before(self, instant: datetime, *, limit: int) -> int:
        self.calls.append((instant, limit))
        if self._failures:
            self._failures -= 1
            raise ConnectionError("down")
        deleted = min(limit, self.count)
        self.count -= deleted
        return deleted


def _retention(log: Any, *, days: int = 30, clock: SetClock | None = None) -> Retention:
    return Retention(log=cast(LogStore, log), keep=timedelta(days=days), clock=clock or SetClock(START))


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (499, 1), (500, 2), (501, 2), (1750, 4)])
async def test_it_deletes_in_batches_until_nothing_is_left(pauses: list[float], count: int, calls: int) -> None:
    log = Expired(count)

    assert await _retention(log).delete_expired() == count
    assert log.count == 0
    assert log.calls == [(START - timedelta(days=30), _BATCH)] * calls
    assert pauses == [0.05] * (calls - 1)  # others get their turn in between


async def test_the_age_is_counted_from_the_moment_it_looks(pauses: list[float]) -> None:
    clock, log = SetClock(START), Expired(0)
    retention = _retention(log, days=7, clock=clock)
    await retention.delete_expired()
    later = clock.advance(hours=5)
    await retention.delete_expired()

    assert [instant for instant, _ in log.calls] == [START - timedelta(days=7), later - timedelta(days=7)]


async def test_what_is_exactly_as_old_as_kept_stays() -> None:
    shelf = MemoryLog()
    for name, age in (("older", timedelta(days=30, microseconds=1)), ("as_old", timedelta(days=30))):
        shelf.remember_event(an_event(name, time=START - age))
    log = MemoryLogStore(shelf)

    assert await _retention(log).delete_expired() == 1
    assert await log.event(an_event("older").id) is None
    assert await log.event(an_event("as_old").id) is not None


async def test_it_looks_again_every_ten_minutes_and_tells_what_it_deleted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log, rounds = Expired(3), asyncio.Event()
    asked: list[float] = []

    async def sleep(seconds: float) -> None:
        asked.append(seconds)
        if len(asked) == 3:
            rounds.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with caplog.at_level(logging.INFO):
        task = asyncio.create_task(_retention(log).run())
        await rounds.wait()
        task.cancel()
        await asyncio.wait([task])

    assert asked == [600.0] * 3
    assert [vars(record)["fields"] for record in caplog.records] == [{"count": 3}]


async def test_a_store_that_is_down_ends_the_round_for_the_supervisor_to_start_anew() -> None:
    log = Expired(3, failures=1)
    retention = _retention(log)
    with pytest.raises(ConnectionError):
        await retention.run()

    assert await retention.delete_expired() == 3
