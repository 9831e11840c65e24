"""Showing that we live, and noticing when the peer does not (AMQP 0-9-1, section 4.2.7)."""

import asyncio
from collections.abc import Callable

_TURNS_PER_INTERVAL = 2
_SILENT_TURNS = 2 * _TURNS_PER_INTERVAL


class Heartbeat:
    """Looks twice per interval: writes a heartbeat if nothing else was written, and counts how long nothing was heard.

    Turns are counted, not seconds: a process that was itself held up has one late turn, and reads what has come in the
    meantime before the next.

    Attributes:
        heard: Set whenever something arrives.
        spoke: Set whenever something is written.
    """

    __slots__ = ("_beat", "_dead", "_loop", "_pause", "_silent", "_timer", "heard", "spoke")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        beat: Callable[[], None],
        dead: Callable[[], None],
    ) -> None:
        self.heard = True
        self.spoke = True
        self._loop = loop
        self._beat = beat
        self._dead = dead
        self._silent = 0
        self._pause = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, interval: float) -> None:
        """Begin, with the seconds both sides have agreed on."""
        self._pause = interval / _TURNS_PER_INTERVAL
        self._timer = self._loop.call_later(self._pause, self._turn)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _turn(self) -> None:
        self._silent = 0 if self.heard else self._silent + 1
        if self._silent >= _SILENT_TURNS:
            self._dead()
            return
        if not self.spoke:
            self._beat()
        self.heard = self.spoke = False
        self._timer = self._loop.call_later(self._pause, self._turn)
