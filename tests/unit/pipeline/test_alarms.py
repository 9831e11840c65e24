"""Many instants, one timer."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from outpost.pipeline.alarms import Alarms
from tests.support.builders import START
from tests.support.clock import SetClock


class Timers:
    """Stands in for an event loop: it keeps the timer that is set, and the test lets it go off."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.seconds: float | None = None
        self._call: Callable[[], None] | None = None

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> "Timers":
        assert self.seconds is None, "two timers at once"
        self.seconds, self._call = seconds, call
        return self

    def cancel(self) -> None:
        self.seconds = self._call = None

    def go_off(self) -> None:
        call = self._call
        assert call is not None
        self.cancel()
        call()


class World:
    def __init__(self) -> None:
        self.clock, self.timers, self.rung = SetClock(START), Timers(), list[tuple[str, datetime]]()
        self.set_back = list[timedelta]()
        self.alarms = Alarms[str](
            lambda item, due_at: self.rung.append((item, due_at)),
            clock=self.clock,
            on_set_back=self.set_back.append,
        )

    def start(self) -> None:
        self.alarms.start(cast(Any, self.timers))

    def set(self, item: str, seconds: float) -> datetime:
        due_at = START + timedelta(seconds=seconds)
        self.alarms.set(item, due_at)
        return due_at


@pytest.fixture
def world() -> World:
    world = World()
    world.start()
    return world


def test_each_item_rings_once_its_instant_has_come_earliest_first(world: World) -> None:
    late, soon = world.set("late", 3), world.set("soon", 1)

    world.clock.advance(seconds=1)
    world.timers.go_off()
    assert world.rung == [("soon", soon)]
    world.clock.advance(seconds=5)
    world.timers.go_off()

    assert world.rung == [("soon", soon), ("late", late)]
    assert world.timers.seconds is None


def test_the_timer_is_for_the_earliest_and_a_millisecond_late_rather_than_early(world: World) -> None:
    world.set("late", 3)
    assert world.timers.seconds == pytest.approx(3.001)

    world.set("soon", 1)
    assert world.timers.seconds == pytest.approx(1.001)
    world.set("later", 4)
    assert world.timers.seconds == pytest.approx(1.001)


def test_a_timer_that_goes_off_early_rings_nothing_and_is_set_again(world: World) -> None:
    world.set("item", 1)
    world.clock.advance(seconds=0.9)

    world.timers.go_off()

    assert world.rung == []
    assert world.timers.seconds == pytest.approx(0.101)


def test_a_clock_that_is_set_forward_is_noticed_soon(world: World) -> None:
    world.set("item", 3600)
    assert world.timers.seconds == 5.0

    world.clock.advance(hours=2)
    world.timers.go_off()

    assert [item for item, _ in world.rung] == ["item"]


def test_a_clock_that_is_set_back_rings_later_and_not_never(world: World) -> None:
    world.set("item", 1)
    world.clock.advance(hours=-1)
    world.timers.go_off()
    assert world.rung == []

    world.clock.advance(hours=1, seconds=1)
    world.timers.go_off()

    assert len(world.rung) == 1


def test_a_clock_that_is_set_back_is_told_of_once_and_by_how_much(world: World) -> None:
    world.set("item", 3600)
    world.clock.advance(hours=-1, seconds=5)
    world.timers.now += 5

    world.timers.go_off()
    world.clock.advance(seconds=5)
    world.timers.now += 5
    world.timers.go_off()

    assert world.set_back == [timedelta(hours=1)]


def test_a_clock_that_was_set_back_while_nothing_waited_is_told_of_once_something_does(world: World) -> None:
    world.clock.advance(hours=-1)
    assert world.set_back == []

    world.set("item", 1)

    assert world.set_back == [timedelta(hours=1)]


def test_setting_back_a_clock_that_was_set_forward_counts_and_a_little_does_not(world: World) -> None:
    world.set("item", 10_000)
    for seconds in (3600, -1, -3599):
        world.clock.advance(seconds=seconds)
        world.timers.go_off()

    assert world.set_back == [timedelta(hours=1)]


def test_what_is_past_rings_at_once(world: World) -> None:
    world.set("item", -10)

    assert world.timers.seconds == pytest.approx(0.001)


def test_items_of_one_instant_ring_together_and_are_never_compared(world: World) -> None:
    instant = START + timedelta(seconds=1)
    alarms = Alarms[object](
        lambda item, due_at: world.rung.append(("", due_at)), clock=world.clock, on_set_back=world.set_back.append
    )
    alarms.start(cast(Any, Timers()))
    for _ in range(3):
        alarms.set(object(), instant)

    world.clock.advance(seconds=1)
    alarms._look_at_the_clock()  # pyright: ignore[reportPrivateUsage]

    assert len(world.rung) == 3


def test_what_was_set_before_the_start_rings_after_it() -> None:
    world = World()
    world.set("item", 1)
    assert world.timers.seconds is None

    world.start()
    world.clock.advance(seconds=1)
    world.timers.go_off()

    assert len(world.rung) == 1


def test_after_the_end_nothing_rings_until_it_is_started_again(world: World) -> None:
    world.set("item", 1)
    world.alarms.stop()
    world.set("other", 0.5)
    assert world.timers.seconds is None

    world.start()

    assert world.timers.seconds == pytest.approx(0.501)


def test_an_item_that_sets_another_when_it_rings_is_heard(world: World) -> None:
    def ring(item: str, due_at: datetime) -> None:
        world.rung.append((item, due_at))
        if item == "first":
            alarms.set("second", due_at + timedelta(seconds=1))

    alarms = Alarms[str](ring, clock=world.clock, on_set_back=world.set_back.append)
    alarms.start(cast(Any, world.timers))
    alarms.set("first", START)
    world.timers.go_off()
    world.clock.advance(seconds=1)

    world.timers.go_off()

    assert [item for item, _ in world.rung] == ["first", "second"]


async def test_a_real_loop_rings_in_time() -> None:
    world, rung = World(), asyncio.Event()
    alarms = Alarms[str](lambda item, due_at: rung.set(), clock=world.clock, on_set_back=world.set_back.append)
    alarms.start(asyncio.get_running_loop())

    alarms.set("item", START)

    async with asyncio.timeout(5):
        await rung.wait()
    alarms.stop()
