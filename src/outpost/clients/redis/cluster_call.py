"""A command on its way through a cluster."""

import asyncio
from typing import Any, Protocol

from outpost.clients.redis.errors import RedisError
from outpost.clients.redis.slots import Address


class Router(Protocol):
    """Who brings calls to nodes."""

    def refused(self, call: "ClusterCall", error: RedisError) -> None: ...


class ClusterCall:
    """Waits for the reply to one command, and leaves errors to the router.

    Attributes:
        wire: The encoded command.
        slot: Where it goes; None means anywhere.
        whole: What to send instead if the server does not know the script.
        refusals: How often it came back.
        give_up_at: On the loop's clock, from the first refusal on.
        sent_to: The node that has it now.
    """

    __slots__ = ("_future", "_router", "give_up_at", "refusals", "sent_to", "slot", "whole", "wire")

    def __init__(
        self, router: Router, future: asyncio.Future[Any], wire: bytes, slot: int | None, whole: bytes = b""
    ) -> None:
        self._router = router
        self._future = future
        self.wire = wire
        self.slot = slot
        self.whole = whole
        self.refusals = 0
        self.give_up_at = 0.0
        self.sent_to: Address | None = None

    def done(self) -> bool:
        return self._future.done()

    def set_result(self, result: Any, /) -> None:
        self._future.set_result(result)

    def set_exception(self, exception: RedisError, /) -> None:
        self._router.refused(self, exception)

    def fail(self, error: RedisError) -> None:
        """Tell the caller."""
        if not self._future.done():
            self._future.set_exception(error)


class Ignored:
    """Takes a reply that nobody wants."""

    def done(self) -> bool:
        return True

    def set_result(self, result: Any, /) -> None:
        """Never called: it counts as done."""

    def set_exception(self, exception: RedisError, /) -> None:
        """Never called: it counts as done."""


IGNORED = Ignored()
