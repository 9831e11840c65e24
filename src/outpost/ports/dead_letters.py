"""What was given up: messages and retries that came back too often, or that nobody could read."""

from datetime import datetime
from typing import Protocol

import msgspec


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the dead letters of one place.

    Attributes:
        moved: Went back to where they died.
        superseded: Were removed because what they ask for has been planned anew since.
        left: Cannot be read, and stay.
    """

    moved: int = 0
    superseded: int = 0
    left: int = 0


class DeadLetters(Protocol):
    """The dead letters of one queue or schedule; nothing but a person empties them.

    Each method raises Unavailable when the server cannot be asked.
    """

    @property
    def place(self) -> str:
        """Where they lie, in the server's own name for it."""
        ...

    async def count(self) -> int: ...

    async def oldest_at(self) -> datetime | None:
        """Return when the one died that has lain there longest; None if there is none, or the server does not tell."""
        ...

    async def redrive(self, limit: int | None = None) -> Redriven:
        """Move what lies there now back to where it died, the oldest first.

        Each one is stored there before it is removed here: if this is interrupted, one may be in both places, and none
        in neither. What dies again meanwhile is not moved again.

        Args:
            limit: Look at this many only; None means all.
        """
        ...
