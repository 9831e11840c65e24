"""What migration commands report: plain values that the CLI prints."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

State = Literal["applied", "pending"]


class MigrationState(msgspec.Struct, frozen=True, kw_only=True):
    """One migration of one line.

    Attributes:
        id: `sqlite/000001_initial`.
        applied_at: Aware UTC; None while pending.
    """

    id: str
    state: State
    applied_at: datetime | None = None
    duration_ms: int | None = None
    host: str = ""
    version: str = ""


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A migration that `apply` would run.

    Attributes:
        destructive: Statements that delete or overwrite something.
    """

    id: str
    statements: Sequence[str]
    destructive: Sequence[str] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply` would do."""

    steps: Sequence[PlannedStep]


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a line's lock.

    Attributes:
        heartbeat_age_seconds: Time since its last sign of life, by the store's clock.
        alive: Whether that is recent enough.
    """

    host: str
    pid: int
    user: str
    version: str
    fence: int
    run: str
    heartbeat_age_seconds: float
    alive: bool


class LineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one line."""

    line: str
    pending: Sequence[str]
    applied: int
    holder: Holder | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The state of all lines."""

    lines: Sequence[LineStatus]

    @property
    def pending(self) -> Sequence[str]:
        return [name for line in self.lines for name in line.pending]


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply` has done."""

    steps: Sequence[MigrationState]
