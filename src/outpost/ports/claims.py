"""Claims on work: who may do it, and that it was done."""

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from typing import NewType, Protocol

ClaimKey = NewType("ClaimKey", str)
"""Names one piece of work; equal keys are the same work."""


class ClaimState(Enum):
    """What a claim led to."""

    WON = "won"
    """The caller holds it: do the work, then finish or release."""

    HELD = "held"
    """Someone else is at it, or was and ended without a word; ask again later."""

    DONE = "done"
    """The work was done; leave it."""


class Claims(Protocol):
    """Keeps several workers from doing the same work, for as long as each of them says it may take.

    A key is free, held, or done; held and done end by themselves.

        free ──claim──▶ held ──finish──▶ done
          ◀── release ──┘ │                │
          ◀── time is up ─┴────────────────┘

    Promises: of all who claim a free key, in one call or many, one wins. Each key is atomic by itself.

    Not promised: that a holder still holds it. Work that outlasts `hold` may be done twice, so `hold` is longer than
    the work can take. Who holds a key is not remembered: a holder that is late finishes or releases what by then may be
    another's. Not promised either is that anything outlives a crash of the server.
    """

    async def claim_many(self, keys: Sequence[ClaimKey], *, hold: timedelta) -> Sequence[ClaimState]:
        """Claim keys, and return what came of each. Never waits for another holder.

        A key that is named twice is won once, by its first place.

        Args:
            hold: How long a claim that is won keeps others out; at least a millisecond.

        Raises:
            StoreUnavailable: Nobody knows which keys were claimed. They become free when `hold` is over, or with
                `release_many`. Cancelling leaves the same.
        """
        ...

    async def finish_many(self, keys: Sequence[ClaimKey], *, remember: timedelta) -> None:
        """Say that the work is done, whoever holds the keys. May be repeated.

        Args:
            remember: How long it counts as done; at least a millisecond.

        Raises:
            StoreUnavailable: Some or all were not written; make the same call again. Cancelling leaves the same.
        """
        ...

    async def release_many(self, keys: Sequence[ClaimKey]) -> None:
        """Make keys free that are held; those that are done stay done. May be repeated.

        Raises:
            StoreUnavailable: Some or all were not released; they become free when their time is up.
        """
        ...
