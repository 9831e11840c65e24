"""Memory drivers whose calls are written down, and which are away when a test says so."""

import asyncio
import inspect
from collections import Counter
from typing import Any

from outpost.domain.errors import Unavailable


class Away(Unavailable):
    """What a driver raises that is away."""

    def __init__(self) -> None:
        super().__init__("away", dependency="a server")


class Steps:
    """The calls of all watched drivers, in the order in which they were made.

    A step is named as in `claims.claim_many`.

    Attributes:
        taken: Those that were made, whether or not they failed.
    """

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._failures: Counter[str] = Counter()
        self._held: dict[str, asyncio.Event] = {}
        self._taken_again = asyncio.Event()

    def watch(self, name: str, driver: Any) -> Any:
        """Return a stand-in for `driver`, to be used in its place."""
        return _Watched(self, name, driver)

    def fail(self, step: str, *, times: int = 1) -> None:
        """Let the next calls fail before they reach the driver."""
        self._failures[step] = times

    def hold(self, step: str) -> None:
        """Let calls wait, before they reach the driver, until `let_go`."""
        self._held[step] = asyncio.Event()

    def let_go(self, step: str) -> None:
        self._held.pop(step).set()

    async def until(self, step: str, *, count: int = 1) -> None:
        """Wait until a step was made so often."""
        async with asyncio.timeout(5):
            while self.taken.count(step) < count:
                self._taken_again.clear()
                await self._taken_again.wait()

    def note(self, step: str) -> None:
        self.taken.append(step)
        self._taken_again.set()

    async def take(self, step: str) -> None:
        self.note(step)
        if step in self._held:
            await self._held[step].wait()
        if self._failures[step]:
            self._failures[step] -= 1
            raise Away


class _Watched:
    def __init__(self, steps: Steps, name: str, driver: Any) -> None:
        self._steps, self._name, self._driver = steps, name, driver

    def __getattr__(self, method: str) -> Any:
        member = getattr(self._driver, method)
        step = f"{self._name}.{method}"
        if inspect.iscoroutinefunction(member):

            async def taken(*arguments: Any, **named: Any) -> Any:
                await self._steps.take(step)
                return await member(*arguments, **named)

            return taken
        if callable(member):

            def noted(*arguments: Any, **named: Any) -> Any:
                self._steps.note(step)
                return member(*arguments, **named)

            return noted
        return member
