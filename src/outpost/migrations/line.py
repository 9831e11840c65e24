"""One ordered history of migrations in one database."""

from collections.abc import Callable, Sequence
from typing import Protocol

from outpost.migrations.report import Holder, LineStatus, MigrationState, PlannedStep

Waiting = Callable[[Holder], None]
"""Told again and again who holds the lock while a run waits for it."""


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
    def store(self) -> str:
        """Which store this is, for people; without secrets."""
        ...

    def states(self) -> Sequence[MigrationState]:
        """Return every migration in order."""
        ...

    def plan(self) -> Sequence[PlannedStep]:
        """Return what `apply` would run."""
        ...

    def status(self) -> LineStatus: ...

    def apply(
        self, *, until: str | None, lock_seconds: float | None, waiting: Waiting
    ) -> Sequence[MigrationState]:
        """Apply what is pending, under the line's lock, and return what was applied by this call.

        Safe to run again and to kill at any moment. What another run applied meanwhile is not applied twice.

        Args:
            until: Stop after the migration of this id or name; None applies all.
            lock_seconds: How long to wait for a living holder; None as long as it lives, 0 not at all.

        Raises:
            LockHeld: The holder lived on.
            LeaseLost: The lock was taken from this run.
            MigrationError: A migration failed; those before it are applied.
        """
        ...
