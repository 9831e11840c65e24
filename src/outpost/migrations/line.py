"""One ordered history of migrations in one database."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from outpost.migrations.lease import LeaseStore
from outpost.migrations.report import (
    Check,
    CleanupItem,
    Family,
    LineStatus,
    MigrationState,
    PlannedStep,
    Quarantined,
    RunRecord,
)
from outpost.migrations.run import Run


class VerifyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How thoroughly to verify.

    Attributes:
        sample: Records to compare in each line, chosen at random.
        seed: Makes the choice repeatable.
        full: Compare every record instead.
    """

    sample: int = 3_000
    seed: int | None = None
    full: bool = False


class Quarantine(Protocol):
    """Records that a migration could not understand and left as they are."""

    async def records(self) -> Sequence[Quarantined]: ...

    async def show(self, key: str) -> Sequence[str]:
        """Return what is stored under a quarantined key now, line by line, secrets left out."""
        ...

    async def retry(self, run: Run, keys: Sequence[str]) -> int:
        """Take records back into the work of the next `apply` (all if `keys` is empty); return how many."""
        ...

    async def accept(self, run: Run, keys: Sequence[str], reason: str) -> int:
        """Let records stay as they are for good, if they still are what was read; return how many."""
        ...


class Line(Protocol):
    """A line of migrations. Reading methods change nothing, not even a missing file.

    All methods raise Unreachable when the store cannot be read, Refused when it is not ours, DataIsNewer when a newer
    program has migrated it, and DecisionNeeded when what was applied differs from what this program carries.
    """

    @property
    def name(self) -> str:
        """`sqlite`, the first part of the ids of its migrations."""
        ...

    @property
    def family(self) -> Family: ...

    @property
    def target(self) -> str:
        """Which database this is, for people; without secrets."""
        ...

    @property
    def lease(self) -> LeaseStore | None:
        """The store's lock; None where a store cannot hold one (ClickHouse cannot compare and set)."""
        ...

    @property
    def quarantine(self) -> Quarantine | None:
        """None where migrations move whole tables and leave no record aside."""
        ...

    async def states(self) -> Sequence[MigrationState]:
        """Return every migration in order; a few cheap reads, no scan and no lock, because a server starts with it."""
        ...

    async def status(self) -> LineStatus: ...

    async def plan(self, *, quick: bool) -> Sequence[PlannedStep]:
        """Return what `apply` would run; `quick` leaves out what needs a look at the data."""
        ...

    async def preflight(self) -> Sequence[Check]:
        """Look for what would stop or endanger `apply`, with the statement that repairs it."""
        ...

    async def apply(self, run: Run, *, until: str | None) -> Sequence[MigrationState]:
        """Apply what is pending and return what this call has applied.

        The run holds this store's lease. Safe to run again, to cancel and to kill at any moment.

        Args:
            until: Stop after the migration of this id or name; None applies all.

        Raises:
            LeaseLost: The lease was revoked, taken over, or could not be renewed in time.
            MigrationError: A migration failed; those before it are applied, and its own progress is kept.
        """
        ...

    async def verify(self, request: VerifyRequest) -> Sequence[Check]: ...

    async def cleanup_plan(self) -> Sequence[CleanupItem]:
        """Return the old data that `cleanup` would remove."""
        ...

    async def cleanup(self, run: Run, *, force: bool) -> Sequence[CleanupItem]:
        """Remove the old data that `apply` preserved.

        Raises:
            Refused: It was not verified in full since the last change, or is younger than a day, or a server that needs
                it is alive, unless `force`.
        """
        ...

    async def history(self) -> Sequence[RunRecord]:
        """Return the runs this store knows of, oldest first."""
        ...

    async def record(self, run: RunRecord) -> None:
        """Append to the history; a store that has none yet, because nothing was ever applied, keeps nothing."""
        ...

    async def close(self) -> None: ...
