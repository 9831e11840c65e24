"""Which servers are alive, and which form of the data they read."""

from typing import Protocol


class PresenceStore(Protocol):
    """Remembers for a while that a server has said it is alive.

    Promises: times are the store's own, so that servers whose clocks differ agree. What has not been repeated for an
    hour is forgotten.

    Not promised: that a server which is not listed is dead; it may only have failed to reach the store.
    """

    async def announce(self, server: str, form: int) -> None:
        """Say that `server` is alive now.

        Args:
            server: A name of its own, for people.
            form: Number of the newest form of the data that it reads.

        Raises:
            StoreUnavailable: It was not noted, or nobody knows.
        """
        ...

    async def withdraw(self, server: str) -> None:
        """Forget `server`, which ends now.

        Raises:
            StoreUnavailable: It was not forgotten, or nobody knows; it will be when its time is up.
        """
        ...
