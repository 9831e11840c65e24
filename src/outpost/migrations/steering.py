"""What a person asks of a run that works: two wishes, and neither undoes the other."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType


class Steering(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a run.

    Attributes:
        paused: Whether it waits until it is resumed.
        max_latency_ms: The latency budget that is in force instead of the one it began with; None leaves it that.
    """

    paused: bool = False
    max_latency_ms: float | None = None


class SteeringChange(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be asked from now on; what is unset stays as it is.

    Its JSON holds only what is set, so a store merges it into that of a `Steering`, in one step: of two changes at once
    neither undoes the other, and a run of an earlier version reads the outcome.
    """

    paused: bool | UnsetType = UNSET
    max_latency_ms: float | UnsetType | None = UNSET


def combined(asked: Sequence[Steering]) -> Steering:
    """Return the stricter of each wish: word may have reached some of a run's stores only."""
    latencies = [each.max_latency_ms for each in asked if each.max_latency_ms is not None]
    return Steering(paused=any(each.paused for each in asked), max_latency_ms=min(latencies, default=None))
