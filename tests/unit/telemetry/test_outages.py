"""What is logged while dependencies are away."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from outpost.domain.errors import QueueUnavailable, SchedulerUnavailable, StoreUnavailable
from outpost.telemetry.outages import Outages, Waiting

AWAY = StoreUnavailable("Redis", "connection refused")
SAFE = "results are kept"


class Alarm:
    """One call that is due later."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Seconds that pass when a test says so, and what is due meanwhile."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.alarms: list[Alarm] = []

    def now(self) -> float:
        return self.seconds

    def later(self, seconds: float, call: Callable[[], None]) -> Alarm:
        alarm = Alarm(self.seconds + seconds, call)
        self.alarms.append(alarm)
        return alarm

    def advance(self, seconds: float) -> None:
        until = self.seconds + seconds
        while due := [alarm for alarm in self.alarms if not alarm.cancelled and alarm.at <= until]:
            first = min(due, key=lambda alarm: alarm.at)
            self.alarms.remove(first)
            self.seconds = first.at
            first.call()
        self.seconds = until


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outages(clock: Clock) -> Outages:
    return Outages(now=clock.now, later=clock.later)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[tuple[str, str, dict[str, Any]]]]]:
    """Level, message and fields of what was logged."""
    with caplog.at_level(logging.INFO):
        yield lambda: [(each.levelname, each.getMessage(), vars(each)["fields"]) for each in caplog.records]


Lines = Callable[[], list[tuple[str, str, dict[str, Any]]]]


def a_waiter(outages: Outages, step: str = "logging attempts") -> Waiting:
    return Waiting(step, meanwhile=SAFE, outages=outages)


def test_what_is_never_refused_says_nothing(outages: Outages, clock: Clock, lines: Lines) -> None:
    with a_waiter(outages):
        clock.advance(100)

    assert lines() == []
    assert clock.alarms == []


def test_one_line_names_what_is_away_and_why_and_what_happens_to_the_messages(outages: Outages, lines: Lines) -> None:
    for number in range(500):
        a_waiter(outages, f"step {number % 3}").refused(AWAY, count=10)

    fields = {"dependency": "Redis", "error": "Redis is not available: connection refused", "meanwhile": SAFE}
    assert lines() == [("WARNING", "a dependency is away", fields)]


def test_a_reminder_comes_once_a_minute_with_how_long_and_how_much_waits(
    outages: Outages, clock: Clock, lines: Lines
) -> None:
    waiters = [a_waiter(outages), a_waiter(outages), a_waiter(outages, "planning retries")]
    for _ in range(150):
        for waiter in waiters:
            waiter.refused(AWAY, count=7)
        clock.advance(1)

    first, *reminders = lines()
    assert first[1] == "a dependency is away"
    assert [(level, message, fields["away_seconds"]) for level, message, fields in reminders] == [
        ("WARNING", "a dependency is still away", 60),
        ("WARNING", "a dependency is still away", 120),
    ]
    assert reminders[0][2]["waiting"] == {"logging attempts": 14, "planning retries": 7}
    assert reminders[0][2]["error"] == str(AWAY)


def test_when_it_is_back_one_line_says_how_long_it_was_away(outages: Outages, clock: Clock, lines: Lines) -> None:
    waiters = [a_waiter(outages) for _ in range(3)]
    for waiter in waiters:
        waiter.refused(AWAY)
    clock.advance(30)
    for waiter in waiters:
        waiter.succeeded()
        clock.advance(0.5)
    clock.advance(10)

    assert lines()[1:] == [("INFO", "a dependency is back", {"dependency": "Redis", "away_seconds": 30})]


def test_it_is_not_back_while_it_refuses_some(outages: Outages, clock: Clock, lines: Lines) -> None:
    lucky, unlucky = a_waiter(outages), a_waiter(outages)
    for _ in range(20):
        lucky.refused(AWAY)
        lucky.succeeded()
        unlucky.refused(AWAY)
        clock.advance(0.5)
    assert len(lines()) == 1

    unlucky.succeeded()
    clock.advance(10)

    assert lines()[-1] == ("INFO", "a dependency is back", {"dependency": "Redis", "away_seconds": 10})


def test_it_is_not_back_when_it_refuses_again_at_once(outages: Outages, clock: Clock, lines: Lines) -> None:
    waiter = a_waiter(outages)
    for _ in range(10):
        waiter.refused(AWAY)
        clock.advance(0.5)
        waiter.succeeded()
        clock.advance(0.5)
    assert len(lines()) == 1

    clock.advance(10)

    assert [message for _, message, _ in lines()] == ["a dependency is away", "a dependency is back"]


def test_the_next_outage_is_told_of_anew(outages: Outages, clock: Clock, lines: Lines) -> None:
    for _ in range(2):
        with a_waiter(outages) as waiter:
            waiter.refused(AWAY)
            clock.advance(5)
        clock.advance(5)

    assert [message for _, message, _ in lines()] == ["a dependency is away", "a dependency is back"] * 2


def test_each_dependency_has_lines_of_its_own_whatever_it_was_needed_for(outages: Outages, lines: Lines) -> None:
    waiter = a_waiter(outages)
    waiter.refused(AWAY)
    waiter.refused(SchedulerUnavailable("the retry schedule in Redis", "away", server="Redis"))
    waiter.refused(QueueUnavailable("outpost-delivery", "away", broker="RabbitMQ at mq:5672"))
    waiter.refused(QueueUnavailable("outpost-log", "away", broker="RabbitMQ at mq:5672"))

    assert [fields["dependency"] for _, _, fields in lines()] == ["Redis", "RabbitMQ at mq:5672"]


def test_work_that_is_cancelled_does_not_count_as_an_answer(outages: Outages, clock: Clock, lines: Lines) -> None:
    waiter = a_waiter(outages)
    waiter.refused(AWAY)
    waiter.__exit__(asyncio.CancelledError, asyncio.CancelledError(), None)

    clock.advance(30)

    assert len(lines()) == 1


def test_what_is_turned_away_is_counted_and_over_when_none_was_for_a_minute(
    outages: Outages, clock: Clock, lines: Lines
) -> None:
    for _ in range(90):
        outages.turned_away(AWAY, "requests", meanwhile="they are answered 503")
        clock.advance(1)
    clock.advance(70)

    away, still, over = lines()
    assert away[2]["meanwhile"] == "they are answered 503"
    assert (still[0], still[2]["turned_away"]) == ("WARNING", {"requests": 61})
    assert (over[0], over[2]) == ("INFO", {"dependency": "Redis", "away_seconds": 89, "turned_away": {"requests": 90}})


def test_an_answer_to_someone_who_waited_ends_what_was_turned_away_too(
    outages: Outages, clock: Clock, lines: Lines
) -> None:
    with a_waiter(outages) as waiter:
        waiter.refused(AWAY)
        outages.turned_away(AWAY, "requests", meanwhile="they are answered 503")
        clock.advance(3)
    clock.advance(5)

    fields = {"dependency": "Redis", "away_seconds": 3, "turned_away": {"requests": 1}}
    assert lines()[-1] == ("INFO", "a dependency is back", fields)
