"""A clock that stands still until a test moves it."""

from datetime import datetime, timedelta


class SetClock:
    """Tells the time that was set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **distance: float) -> datetime:
        """Move by e.g. `seconds=1` and return the new time."""
        self.now += timedelta(**distance)
        return self.now
