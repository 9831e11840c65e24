"""What a person asks of a run that works: two wishes, and neither undoes the other."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType


class Steering(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a run.

    Attributes:
        paused: Whether it waits until it is resumed.
        paused_by: Who asked for that, and on which host; empty if unknown.
        paused_at: When, aware UTC, by the clock of that host.
        max_latency_ms: The latency budget that is in force instead of the one it began with; None leaves it that.
    """

    paused: bool = False
    max_latency_ms: float | None = None
    paused_by: str = ""
    paused_at: datetime | None = None

    @property
    def pause(self) -> str:
        """The pause for people: since when, by whom, and what ends it; empty if there is none."""
        if not self.paused:
            return ""
        since = f" since {self.paused_at:%Y-%m-%d %H:%M:%SZ}" if self.paused_at else ""
        by = f" by {self.paused_by}" if self.paused_by else ""
        return f"paused{since}{by}; to go on, run: outpost migrate resume"


class SteeringChange(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be asked from now on; what is unset stays as it is.

    Its JSON holds only what is set, so a store merges it into that of a `Steering`, in one step: of two changes at once
    neither undoes the other, and a run of an earlier version reads the outcome.
    """

    paused: bool | UnsetType = UNSET
    max_latency_ms: float | UnsetType | None = UNSET
    paused_by: str | UnsetType = UNSET
    paused_at: datetime | UnsetType | None = UNSET


def pausing(by: str, at: datetime) -> SteeringChange:
    return SteeringChange(paused=True, paused_by=by, paused_at=at)


def resuming() -> SteeringChange:
    return SteeringChange(paused=False, paused_by="", paused_at=None)


def combined(asked: Sequence[Steering]) -> Steering:
    """Return the stricter of each wish: word may have reached some of a run's stores only."""
    latencies = [each.max_latency_ms for each in asked if each.max_latency_ms is not None]
    pause = next((each for each in asked if each.paused), Steering())
    return msgspec.structs.replace(pause, max_latency_ms=min(latencies, default=None))
