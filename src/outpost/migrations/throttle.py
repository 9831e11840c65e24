"""How much a run asks of a store at a time: less when the store feels it, more when it does not.

Pure decisions; `observe` is told what each call took, `pause` what the store says of itself. `Throttle` is for Redis,
where every call keeps all others waiting; `Pace` for SQL, where a batch keeps waiting who wants its rows or the disk.
"""

from collections.abc import Sequence
from statistics import median

import msgspec

from outpost.migrations.run import Limits

SMALLEST_BATCH = 8
LARGEST_BATCH = 512
_FIRST_BATCH = 40
_SHARE_OF_BUDGET = 0.12  # of the latency budget, which a call may take itself; the rest is for what waits beside it
_SHARE_ALONE = 0.3  # where nobody waits beside it: longer calls are fewer, and cost less
_MOST_PAGES = 8
_LONGEST_REST = 1.0


class Health(msgspec.Struct, frozen=True):
    """What a store says of itself.

    Attributes:
        replica_lag_seconds: Of the slowest replica that is connected; None without replicas.
        memory_share: Of the store's own limit; None without a limit.
        saving: It writes a snapshot now, for which it may need as much memory again.
        alone: No client is connected but this run.
    """

    replica_lag_seconds: float | None = None
    memory_share: float | None = None
    saving: bool = False
    alone: bool = False


class Throttle:
    """The size of batches and how many pages of work are under way, for one server.

    A page whose typical call was over budget halves the batch; one well below it lets the batch grow by an eighth.
    Single slow calls are noise: the server was busy with something else.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size = float(limits.batch or _FIRST_BATCH)
        self.server_ms = 0.0
        """Of a call, as a moving average."""
        self.pages = _MOST_PAGES
        self._alone = False

    @property
    def batch(self) -> int:
        return int(self._size)

    def observe(self, calls: Sequence[float], *, batch: int, full: bool, budget_ms: float) -> None:
        """Take note of a page of work.

        Args:
            calls: Milliseconds that each call of it took in the server.
            batch: The batch it was sent with.
            full: Some of its calls had so many records.
            budget_ms: The latency budget in force, which a person may change while the run works.
        """
        if not calls:
            return
        typical = median(calls)
        self.server_ms = typical if not self.server_ms else self.server_ms * 0.8 + typical * 0.2
        if self._limits.batch is not None or batch > self.batch:  # sent before the batch shrank
            return
        if typical > budget_ms:
            self._size = max(self._size / 2, SMALLEST_BATCH)
            self.pages = max(self.pages // 2, 1)
        elif typical > budget_ms * (_SHARE_ALONE if self._alone else _SHARE_OF_BUDGET):
            self._size = max(self._size * 0.9, SMALLEST_BATCH)
        elif full:
            self._size = min(self._size * 1.125, LARGEST_BATCH)
            self.pages = min(self.pages + 1, _MOST_PAGES)

    def full(self, health: Health) -> bool:
        """Say whether memory is above the limit."""
        return health.memory_share is not None and health.memory_share > self._limits.max_memory_share

    def pause(self, health: Health) -> str:
        """Take note of what the store says; return why work must wait now, empty if it need not."""
        self._alone = health.alone
        limits = self._limits
        lag, share = health.replica_lag_seconds, health.memory_share
        if share is not None and self.full(health):
            return f"memory at {share:.0%} of the server's limit (limit {limits.max_memory_share:.0%})"
        if lag is not None and lag > limits.max_replica_lag_seconds:
            return f"a replica is {lag:.1f} s behind (limit {limits.max_replica_lag_seconds:g} s)"
        if health.saving and share is not None and share > limits.max_memory_share / 2:
            return f"a snapshot is being written with memory at {share:.0%} of the server's limit"
        return ""


class Pace:
    """The rows of a batch of SQL, so many that one takes about the budget, and the rest after one that took longer.

    Where nobody has asked for a budget, a batch is at least a tenth of the first one and no rest follows: what a batch
    costs whatever its size, on a slow disk, must not come to be all it does.
    """

    def __init__(self, limits: Limits, *, first: int, fewest: int, most: int) -> None:
        self._fixed = limits.batch is not None
        self._fewest = fewest
        self._fewest_unasked = max(first // 10, fewest)
        self._most = most
        self.rows = limits.batch or first
        self.rest_seconds = 0.0
        """To leave the store alone before the next batch."""

    def observe(self, milliseconds: float, *, asked_ms: float | None, usual_ms: float) -> None:
        """Take note of a full batch: the next is at least half as large, and at most half as large again.

        Args:
            asked_ms: The budget that a person has asked for.
            usual_ms: The budget otherwise.
        """
        budget_ms = asked_ms or usual_ms
        rest = max(milliseconds - budget_ms, 0.0) / 1000 if asked_ms else 0.0
        self.rest_seconds = min(rest, _LONGEST_REST)
        if not self._fixed:
            share = min(max(budget_ms / max(milliseconds, 1.0), 0.5), 1.5)
            fewest = self._fewest if asked_ms else self._fewest_unasked
            self.rows = min(max(int(self.rows * share), fewest), self._most)

    def gave_up(self) -> bool:
        """Make the batch much smaller because one was broken off; say whether there is a smaller one."""
        smaller = max(self.rows // 4, self._fewest)
        if smaller >= self.rows:
            return False
        self.rows = smaller
        return True
