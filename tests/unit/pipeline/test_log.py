"""Attempts on their way from the queue into the log store."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from outpost.domain.errors import RecordRejected
from outpost.pipeline import log as module
from outpost.pipeline.log import LogIntake
from outpost.pipeline.messages import write_entry
from outpost.ports.log_store import LoggedAttempt
from outpost.queues.memory import MemoryQueue
from outpost.stores.log.memory import MemoryLogWriter
from tests.support.asking import until
from tests.support.builders import an_attempt, an_event
from tests.support.memory_road import MemoryRoad
from tests.support.original_messages import ENTRY


@pytest.fixture
def road() -> MemoryRoad:
    return MemoryRoad()


def an_entry(number: int = 1) -> bytes:
    event = an_event(f"evt_{number}")
    attempt = an_attempt(f"atm_{number}", event_id=event.id)
    return write_entry(LoggedAttempt(attempt=attempt, event=event), None)


@asynccontextmanager
async def running(intake: LogIntake) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(intake.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def intake_of(road: MemoryRoad, *, batch_size: int = 1000) -> LogIntake:
    return LogIntake(entries=road.watched_queue, log=road.watched_writer, batch_size=batch_size)


async def test_an_attempt_is_acknowledged_after_it_is_durable(road: MemoryRoad) -> None:
    """FIX-2."""
    road.steps.hold("log.insert_many")
    await road.queue.send_many([an_entry()])
    async with running(intake_of(road)):
        await road.steps.until("log.insert_many")
        assert "queue.ack" not in road.steps.taken

        road.steps.let_go("log.insert_many")
        await road.steps.until("queue.ack")

        assert await road.unsettled() == 0
    assert [attempt.id for attempt in road.attempts] == ["atm_1"]
    assert [event.id for event in road.memory.events.values()] == ["evt_1"]


async def test_what_the_original_sent_is_logged(road: MemoryRoad) -> None:
    await road.queue.send_many([ENTRY])
    async with running(intake_of(road)):
        await road.steps.until("queue.ack")

    (attempt,) = road.attempts
    assert (attempt.id, attempt.status, attempt.code) == ("atm_1", "failed", "500")


@pytest.mark.parametrize(("batch_size", "calls"), [(1000, 1), (7, 1), (3, 3), (1, 7)])
async def test_what_has_arrived_is_written_together_up_to_a_limit(
    road: MemoryRoad, batch_size: int, calls: int
) -> None:
    await road.queue.send_many([an_entry(number) for number in range(7)])
    async with running(intake_of(road, batch_size=batch_size)):
        await road.steps.until("queue.ack", count=calls)

        assert road.steps.taken.count("log.insert_many") == calls
        assert await road.unsettled() == 0
    assert len(road.attempts) == 7


async def test_an_attempt_that_comes_twice_is_logged_once(road: MemoryRoad) -> None:
    await road.queue.send_many([an_entry(), an_entry()])
    async with running(intake_of(road, batch_size=1)):
        await road.steps.until("queue.ack", count=2)

    assert len(road.attempts) == 1


@pytest.mark.usefixtures("no_pauses")
async def test_a_log_that_is_away_is_waited_for_and_nothing_goes_to_the_dead_letters(road: MemoryRoad) -> None:
    """FIX-4."""
    road.steps.fail("log.insert_many", times=20)
    await road.queue.send_many([an_entry()])
    async with running(intake_of(road)):
        await road.steps.until("queue.ack")

    assert len(road.attempts) == 1
    assert road.broker.dead_letters == []


async def test_what_is_no_entry_goes_to_the_dead_letters_and_holds_up_nobody(
    road: MemoryRoad, caplog: pytest.LogCaptureFixture
) -> None:
    await road.queue.send_many([b'{"event":"letmein"}', an_entry()])
    with caplog.at_level(logging.ERROR):
        async with running(intake_of(road)):
            await until(lambda: bool(road.broker.dead_letters))

    assert road.broker.dead_letters == [b'{"event":"letmein"}']
    assert len(road.attempts) == 1
    assert all("letmein" not in str(vars(record)) for record in caplog.records)


async def test_what_no_log_will_hold_goes_to_the_dead_letters_alone(road: MemoryRoad) -> None:
    """FIX-12."""

    class Refusing(MemoryLogWriter):
        async def insert_many(self, entries: Sequence[LoggedAttempt]) -> Sequence[RecordRejected | None]:
            good = [entry for entry in entries if entry.attempt.id != "atm_1"]
            await super().insert_many(good)
            return [None if entry in good else RecordRejected("attempt atm_1", "a NUL") for entry in entries]

    await road.queue.send_many([an_entry(number) for number in range(3)])
    intake = LogIntake(entries=road.queue, log=Refusing(road.memory), batch_size=10)
    async with running(intake):
        await until(lambda: bool(road.broker.dead_letters))

    assert road.broker.dead_letters == [an_entry(1)]
    assert [attempt.id for attempt in road.attempts] == ["atm_0", "atm_2"]
    assert await road.unsettled() == 0


# --- the end


async def test_a_batch_that_is_being_written_is_acknowledged_before_the_end(road: MemoryRoad) -> None:
    """FIX-14."""
    road.steps.hold("log.insert_many")
    await road.queue.send_many([an_entry()])
    async with running(intake_of(road)) as task:
        await road.steps.until("log.insert_many")
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()

        road.steps.let_go("log.insert_many")
        await asyncio.wait([task])

    assert task.cancelled()
    assert await road.unsettled() == 0


async def test_a_log_that_is_away_holds_up_the_end_for_a_moment_only(
    road: MemoryRoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FIX-15: what is not written by then comes again."""
    monkeypatch.setattr(module, "_FINISH_SECONDS", 0.0)
    road.steps.hold("log.insert_many")
    await road.queue.send_many([an_entry()])
    async with running(intake_of(road)) as task:
        await road.steps.until("log.insert_many")
        task.cancel()
        await asyncio.wait([task])

    assert task.cancelled()
    assert await road.unsettled() == 1


async def test_two_processes_share_the_queue(road: MemoryRoad) -> None:
    other = MemoryQueue(road.broker)
    await road.queue.send_many([an_entry(number) for number in range(20)])
    async with running(intake_of(road)), running(LogIntake(entries=other, log=road.watched_writer, batch_size=5)):
        await until(lambda: len(road.attempts) == 20)
