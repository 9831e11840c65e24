"""The clock is set while Outpost runs, or the machine was suspended."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import shifted_clock
from tests.support.process import OutpostProcess
from tests.support.receiver import Receiver

_HOUR = 3600.0


class Clock:
    """The clock of a running Outpost."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock-shift"
        self.shift(0)

    def shift(self, seconds: float) -> None:
        """Make it wrong by so much."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self.file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def retry_schedule() -> str:
    return "1800"


@pytest.fixture
async def outpost(tmp_path: Path, clock: Clock, retry_schedule: str) -> AsyncIterator[OutpostProcess]:
    settings = {"CLOCK_SHIFT": str(clock.file), "RETRY_SCHEDULE": retry_schedule}
    program = (sys.executable, "-P", shifted_clock.__file__)
    async with OutpostProcess(tmp_path, settings, program=program) as outpost:
        await outpost.migrate()
        await outpost.start()
        yield outpost


async def _publish(outpost: OutpostProcess) -> None:
    answer = await outpost.api("POST", "/publish", {"tenant_id": "acme", "topic": "t", "data": {}})
    assert answer.status == 202


async def _publish_and_fail(outpost: OutpostProcess, receiver: Receiver) -> None:
    """Leave one delivery that waits for its retry."""
    receiver.answer("/flaky", 500)
    await outpost.destination("acme", receiver.url("/flaky"))
    await _publish(outpost)
    await receiver.until(1, "/flaky")
    await outpost.until("SELECT count(*) FROM tasks WHERE lease = 0 AND attempt_number = 2", 1)
    receiver.answer("/flaky", 200)


async def test_a_retry_that_fell_due_while_the_clock_leapt_is_sent_soon(
    outpost: OutpostProcess, clock: Clock, receiver: Receiver
) -> None:
    await _publish_and_fail(outpost, receiver)

    clock.shift(_HOUR)

    await receiver.until(2, "/flaky")
    await outpost.until_settled()
    assert outpost.rows("SELECT attempt_number, status FROM attempts") == [(1, "failed"), (2, "success")]


async def test_a_clock_set_back_stops_no_delivery_and_loses_no_retry(
    outpost: OutpostProcess, clock: Clock, receiver: Receiver
) -> None:
    await _publish_and_fail(outpost, receiver)

    clock.shift(-_HOUR)
    await _publish(outpost)
    await receiver.until(2, "/flaky")
    clock.shift(_HOUR)

    await receiver.until(3, "/flaky")
    await outpost.until_settled()
    assert outpost.rows("SELECT count(*) FROM attempts WHERE status = 'success'") == [(2,)]


@pytest.mark.parametrize("retry_schedule", ["3"])
async def test_a_clock_set_back_makes_no_retry_wait_longer(
    outpost: OutpostProcess, clock: Clock, receiver: Receiver
) -> None:
    await _publish_and_fail(outpost, receiver)

    clock.shift(-_HOUR)

    await receiver.until(2, "/flaky")
    await outpost.until_settled()
    assert outpost.rows("SELECT attempt_number, status FROM attempts") == [(1, "failed"), (2, "success")]
