"""One destination's tasks in memory, and what is known of those in the store."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from outpost.ports.delivery_queue import LaneKey
from outpost.ports.ledger import LeasedTask


class Backlog(NamedTuple):
    """What waits in a lane.

    Attributes:
        started: How many deliveries it has started since it is there.
        ready: How many tasks are ready to be started.
        share: How many it needs so that it never runs dry.
    """

    key: LaneKey
    started: int
    ready: int
    share: int


class Lane:
    """What `Lanes` knows of one destination.

    Attributes:
        window: How many deliveries may be in flight.
        ready: Leased and not started, oldest first.
        started: How many deliveries have been started since the lane is there.
        claiming: Tasks are being fetched from the store.
        queued: It stands in the round of lanes that may start a task.
        stored_due: The store holds tasks that are due now.
        due_at: When the earliest stored task will be due.
    """

    __slots__ = ("claiming", "due_at", "in_flight", "key", "queued", "ready", "started", "stored_due", "window")

    def __init__(self, key: LaneKey, window: int) -> None:
        self.key = key
        self.window = window
        self.ready: deque[LeasedTask] = deque()
        self.in_flight = 0
        self.started = 0
        self.claiming = False
        self.queued = False
        self.stored_due = False
        self.due_at: datetime | None = None

    def idle(self) -> bool:
        return not (self.ready or self.in_flight or self.claiming or self.stored_due or self.due_at)

    def may_start(self) -> bool:
        return bool(self.ready) and self.in_flight < self.window

    def fit_window(self, *, in_time: bool, most: int) -> None:
        """Let the window follow how a delivery went."""
        if not in_time:
            self.window = max(1, self.window // 2)
        elif self.window < most:
            self.window += 1

    def share(self, most: int) -> int:
        """Return how many ready tasks it needs: a lane that works fast many, one that hangs only a few."""
        return min(most, max(2 * self.window, 8))

    def backlog(self, most: int) -> Backlog:
        return Backlog(self.key, self.started, len(self.ready), self.share(most))

    def give_up(self, keep: int, may_go: Callable[[LeasedTask], bool]) -> Sequence[LeasedTask]:
        """Take out ready tasks that may go, but for the `keep` oldest; return them, oldest first."""
        if len(self.ready) <= keep:
            return ()
        ready = list(self.ready)
        going = [task for task in ready[keep:] if may_go(task)]
        if going:
            gone = set(map(id, going))
            self.ready = deque(task for task in ready if id(task) not in gone)
        return going
