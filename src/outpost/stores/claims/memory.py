"""Claims in this process's memory, for tests and trials."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from outpost.ports.claims import ClaimKey, ClaimState
from outpost.ports.clock import Clock


class MemoryClaims:
    """`Claims` over a dictionary. No method suspends, so each is atomic."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._taken: dict[ClaimKey, tuple[ClaimState, datetime]] = {}

    async def claim_many(self, keys: Sequence[ClaimKey], *, hold: timedelta) -> Sequence[ClaimState]:
        return [self._claim(key, hold) for key in keys]

    async def finish_many(self, keys: Sequence[ClaimKey], *, remember: timedelta) -> None:
        for key in keys:
            self._taken[key] = (ClaimState.DONE, self._clock() + remember)

    async def release_many(self, keys: Sequence[ClaimKey]) -> None:
        for key in keys:
            if self._state(key) is ClaimState.HELD:
                del self._taken[key]

    def _claim(self, key: ClaimKey, hold: timedelta) -> ClaimState:
        state = self._state(key)
        if state is not None:
            return state
        self._taken[key] = (ClaimState.HELD, self._clock() + hold)
        return ClaimState.WON

    def _state(self, key: ClaimKey) -> ClaimState | None:
        state, until = self._taken.get(key, (None, None))
        return state if until is not None and until > self._clock() else None
