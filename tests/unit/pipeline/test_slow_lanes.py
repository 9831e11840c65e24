"""Which lanes are slow."""

from outpost.domain.identifiers import DestinationId, TenantId
from outpost.pipeline.lane import Backlog
from outpost.pipeline.slow_lanes import SlowLanes
from outpost.ports.delivery_queue import LaneKey

KEY = LaneKey(TenantId("acme"), DestinationId("des_1"))


def waiting(*, started: int, ready: int) -> list[Backlog]:
    return [Backlog(KEY, started, ready, share=8)]


def test_a_lane_is_slow_once_a_task_it_held_is_still_waiting() -> None:
    slow = SlowLanes(seconds=5)

    assert slow.look(waiting(started=2, ready=10), now=0) == []
    assert slow.look(waiting(started=3, ready=9), now=4.9) == []
    assert slow.look(waiting(started=11, ready=1), now=5) != []


def test_a_lane_that_works_off_what_it_held_is_not_slow_however_much_comes_after() -> None:
    slow = SlowLanes(seconds=5)
    slow.look(waiting(started=0, ready=1_000), now=0)

    looks = [slow.look(waiting(started=300 * second, ready=1_000), now=second) for second in range(1, 30)]

    assert looks == [[]] * 29


def test_a_slow_lane_stays_slow_when_its_newest_tasks_are_given_up_and_new_ones_come() -> None:
    slow = SlowLanes(seconds=5)
    slow.look(waiting(started=0, ready=1_000), now=0)
    assert slow.look(waiting(started=1, ready=999), now=5)

    assert slow.look(waiting(started=1, ready=8), now=6)
    assert slow.look(waiting(started=1, ready=500), now=7)


def test_a_slow_lane_is_quick_again_when_it_has_started_what_it_kept() -> None:
    slow = SlowLanes(seconds=5)
    slow.look(waiting(started=0, ready=1_000), now=0)
    slow.look(waiting(started=1, ready=8), now=6)

    assert slow.look(waiting(started=9, ready=700), now=7) == []


def test_a_lane_that_was_empty_for_a_while_begins_anew() -> None:
    slow = SlowLanes(seconds=5)
    slow.look(waiting(started=4, ready=10), now=0)
    slow.look([], now=1)

    assert slow.look(waiting(started=0, ready=10), now=6) == []


def test_a_lane_that_was_made_anew_between_two_looks_begins_anew() -> None:
    slow = SlowLanes(seconds=5)
    slow.look(waiting(started=4, ready=10), now=0)

    assert slow.look(waiting(started=0, ready=20), now=6) == []
