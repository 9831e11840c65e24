"""Which lanes are slow, judged from a look at all of them now and then."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from outpost.pipeline.lane import Backlog
from outpost.ports.delivery_queue import LaneKey


class _Mark(NamedTuple):
    """At `at`, a lane had seen `put` tasks; `started` is how many it had started when it was last looked at."""

    at: float
    put: int
    started: int


class SlowLanes:
    """Finds lanes in which a task has been ready for long.

    A lane starts its tasks in order. So the tasks it holds now have all been started once its count of started tasks
    has passed what it has been given until now: one number remembered for each lane is enough.
    """

    def __init__(self, *, seconds: float) -> None:
        """Args:
        seconds: How long a task may be ready in a lane that is not slow.
        """
        self._seconds = seconds
        self._marks: dict[LaneKey, _Mark] = {}

    def look(self, backlogs: Iterable[Backlog], *, now: float) -> Sequence[Backlog]:
        """Return those that are slow: where a task waits that was there `seconds` ago. At first there are none.

        Args:
            now: Seconds of a clock that only goes forward.
        """
        marks: dict[LaneKey, _Mark] = {}
        slow: list[Backlog] = []
        for backlog in backlogs:
            put = backlog.started + backlog.ready
            mark = self._marks.get(backlog.key)
            if mark is None or backlog.started >= mark.put or backlog.started < mark.started:
                mark = _Mark(now, put, backlog.started)
            elif now - mark.at >= self._seconds:
                slow.append(backlog)
            # Those that were given up were the newest, so the others are as old as before.
            marks[backlog.key] = _Mark(mark.at, min(mark.put, put), backlog.started)
        self._marks = marks
        return slow

    def forget(self) -> None:
        """Begin anew, because it was not the lanes that were slow."""
        self._marks.clear()
