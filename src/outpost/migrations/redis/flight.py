"""How many calls are on their way to one server at once.

The server takes all that has arrived from one client before it turns to the next, so whatever is sent ahead of time is
time that others wait. Two calls are enough to keep it busy, one that it works on and one behind it, and as many more as
would otherwise be missing while an answer and the next call travel.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

_FEWEST = 2
_MOST = 64
_WEIGHT = 0.2
"""Of the newest call in the average."""


class Flight:
    """Lets calls through as others come back."""

    def __init__(self) -> None:
        self._out = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._line = math.inf  # seconds that a call has spent elsewhere than in the server; the least of all
        self._took = 0.0  # seconds that a call spends in the server, on average

    @property
    def most(self) -> int:
        """Calls that may be out now."""
        if not self._took:
            return _FEWEST
        return min(_FEWEST + int(self._line / self._took), _MOST)

    async def call(self, send: Callable[[], asyncio.Future[Sequence[Any]]]) -> Sequence[Any]:
        """Send a call when there is room for it, and return its reply, whose first item is microseconds in the server.

        Raises:
            RedisError: What the call has failed with.
        """
        loop = asyncio.get_running_loop()
        while self._out >= self.most:
            await self._room(loop)
        self._out += 1
        started = loop.time()
        try:
            reply = await send()
            self._observe(loop.time() - started, reply[0] / 1_000_000)
            return reply
        finally:
            self._out -= 1
            self._let_through()

    async def _room(self, loop: asyncio.AbstractEventLoop) -> None:
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._let_through()  # the turn may have come already, and goes to another
            raise

    def _let_through(self) -> None:
        free = self.most - self._out
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1

    def _observe(self, elapsed: float, took: float) -> None:
        self._line = min(self._line, elapsed - took)
        self._took = took if not self._took else self._took + (took - self._took) * _WEIGHT
