"""Tells the migration tool that this server is alive, so that `cleanup` removes nothing that it still reads."""

import asyncio
import contextlib
import os
import socket

from outpost.domain.errors import StoreUnavailable
from outpost.pipeline.patience import patiently
from outpost.ports.presence import PresenceStore

_EVERY = 30.0
"""Seconds; a server is taken for dead after three times as long."""

_FAREWELL = 1.0


class Presence:
    """A loop that says it again and again."""

    def __init__(self, *, store: PresenceStore, server: str, form: int) -> None:
        """Args:
        server: See `this_server`.
        form: Number of the newest form of the data that this server reads.
        """
        self._store = store
        self._server = server
        self._form = form

    async def run(self) -> None:
        """Announce this server until cancelled, and withdraw it then."""
        try:
            while True:
                await patiently(
                    "announcing this server",
                    lambda: self._store.announce(self._server, self._form),
                    meanwhile="no message waits for this",
                )
                await asyncio.sleep(_EVERY)
        except asyncio.CancelledError:
            with contextlib.suppress(StoreUnavailable, TimeoutError):  # then it is forgotten when its time is up
                async with asyncio.timeout(_FAREWELL):
                    await self._store.withdraw(self._server)
            raise


def this_server() -> str:
    """Return a name for this process that no other server has."""
    return f"{socket.gethostname()} (pid {os.getpid()})"
