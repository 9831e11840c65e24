"""What migration commands report: plain values that the CLI prints."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from outpost.migrations.steering import Steering

Family = Literal["sql", "redis"]

State = Literal["applied", "not_applicable", "pending", "running", "incomplete", "parked", "dirty", "in_doubt"]
"""applied, not_applicable   nothing is left to do
pending                     not begun
running, incomplete         begun: by a run that is alive, by one that ended early
parked                      every record was looked at, and some need a person's decision
dirty                       the original tool failed in it and left the schema to a person
in_doubt                    a statement that cannot be repeated may or may not have happened
"""

SATISFIED: frozenset[State] = frozenset({"applied", "not_applicable"})


class MigrationState(msgspec.Struct, frozen=True, kw_only=True):
    """One migration of one line.

    Attributes:
        id: `sqlite/000001_initial`.
        applied_at: Aware UTC; None while pending, or when the original tool applied it without a note of the time.
        host: Where it was applied, and `version` by which Outpost; empty when unknown.
        detail: Why it is not applicable, incomplete, parked, dirty or in doubt; progress while it runs.
        online: A server may run beside it (`MIGRATIONS_GATE=compatible`).
    """

    id: str
    state: State
    description: str = ""
    applied_at: datetime | None = None
    duration_ms: int | None = None
    host: str = ""
    version: str = ""
    detail: str = ""
    online: bool = False

    @property
    def satisfied(self) -> bool:
        return self.state in SATISFIED


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A migration that `apply` would run.

    Attributes:
        statements: SQL as it would be sent; empty where the work is not SQL.
        counts: What would be touched: records by kind.
        destructive: What deletes or overwrites something, each with where the old data is kept.
        notes: Table sizes, locks, estimated time and memory.
    """

    id: str
    description: str = ""
    statements: Sequence[str] = ()
    counts: Mapping[str, int] = {}
    destructive: Sequence[str] = ()
    notes: Sequence[str] = ()


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """The migrations of all lines that could be read, and what kept the others from it."""

    migrations: Sequence[MigrationState]
    failures: Sequence["LineFailure"] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply` would do."""

    steps: Sequence[PlannedStep]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run has come.

    Attributes:
        total: Estimated; None while unknown.
        batch: Records in one batch now, and `server_ms` the store's time for one.
        throttled: Why the run is held back now; empty when it is not.
        checkpoint_age_seconds: How much work would be repeated if the run were killed now.
        step: Which migration of its line it is, from 1, of `steps`; 0 where a pass does several at once.
        step_seconds: How long the step has been under way.
    """

    store: str
    migration: str
    done: int = 0
    total: int | None = None
    per_second: float = 0.0
    batch: int = 0
    server_ms: float = 0.0
    throttled: str = ""
    checkpoint_age_seconds: float = 0.0
    step: int = 0
    steps: int = 0
    step_seconds: float = 0.0

    @property
    def has_figures(self) -> bool:
        """Whether it says more than which step is under way."""
        return bool(self.done or self.total)

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None while the total is unknown."""
        return min(self.done / self.total, 1.0) if self.total else None

    @property
    def eta_seconds(self) -> float | None:
        if not self.total or not self.per_second:
            return None
        return max(self.total - self.done, 0) / self.per_second


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a store's lock.

    Attributes:
        foreign: Another program took it (the original tool): nothing is known of it, and it ends when it expires.
        heartbeat_age_seconds: Time since its last sign of life, by the store's clock.
        alive: Whether that is recent enough; a foreign holder counts as alive until its lock expires.
        expires_in_seconds: When the lock ends by itself unless renewed.
        steering: What is asked of it here.
    """

    store: str
    foreign: bool = False
    host: str = ""
    pid: int = 0
    user: str = ""
    version: str = ""
    run: str = ""
    fence: int = 0
    started_at: datetime | None = None
    heartbeat_age_seconds: float = 0.0
    alive: bool = True
    expires_in_seconds: float | None = None
    progress: Progress | None = None
    steering: Steering = Steering()


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the records a migration has matched; `balanced` says that none is missing from the sum."""

    migration: str
    matched: int
    migrated: int = 0
    already: int = 0
    vanished: int = 0
    quarantined: int = 0

    @property
    def balanced(self) -> bool:
        return self.matched == self.migrated + self.already + self.vanished + self.quarantined


class LineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one line.

    Attributes:
        preserved: Old data that waits for `cleanup`, in words; empty when there is none.
        last_run: The newest entry of its history.
    """

    line: str
    family: Family
    target: str
    migrations: Sequence[MigrationState]
    holder: Holder | None = None
    books: Sequence[Books] = ()
    quarantined: int = 0
    preserved: str = ""
    last_run: "RunRecord | None" = None

    @property
    def pending(self) -> Sequence[MigrationState]:
        return [state for state in self.migrations if not state.satisfied]


class LineFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing is known of one line.

    Attributes:
        code, message: Of the error that it raised.
    """

    line: str
    target: str
    code: str
    message: str
    exit_code: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The state of all lines that could be read, and what kept the others from it."""

    lines: Sequence[LineStatus]
    failures: Sequence[LineFailure] = ()

    @property
    def pending(self) -> Sequence[MigrationState]:
        return [state for line in self.lines for state in line.pending]


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply` has done."""

    steps: Sequence[MigrationState]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was verified, or one finding of `doctor`.

    Attributes:
        compared: Records or objects looked at.
        population: How many there are; equal to `compared` for a full check.
        differences: Each in one sentence, the first ones only; `different` counts them all.
        repair: The statement or command that mends it, if there is one.
    """

    name: str
    compared: int = 0
    population: int = 0
    different: int = 0
    differences: Sequence[str] = ()
    note: str = ""
    repair: str = ""

    @property
    def ok(self) -> bool:
        return self.different == 0


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What `doctor` has found; a line that could not be read is a finding, too."""

    checks: Sequence[Check]
    failures: Sequence[LineFailure] = ()

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify` has found."""

    checks: Sequence[Check]
    full: bool = False

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the append-only history.

    Attributes:
        command: `apply`, `cleanup`, `unlock`, `accept`, ...
        outcome: `ok`, `failed`, `interrupted`.
        detail: Counts, the error, or the decision that was taken.
    """

    store: str
    run: str
    command: str
    outcome: str
    started_at: datetime
    duration_ms: int = 0
    host: str = ""
    user: str = ""
    version: str = ""
    fence: int = 0
    migrations: Sequence[str] = ()
    detail: str = ""


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A record that a migration could not understand and left as it is.

    Attributes:
        digest: Of what was read, so that `retry` and `accept` act on the same bytes.
        accepted: The reason with which a person accepted it as it is; empty until then.
    """

    store: str
    migration: str
    key: str
    reason: str
    digest: str
    accepted: str = ""


class CleanupItem(msgspec.Struct, frozen=True, kw_only=True):
    """Old data that `cleanup` would remove, or has removed."""

    store: str
    what: str
    count: int
    bytes: int | None = None
