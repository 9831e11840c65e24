"""Several processes of one kind, forked from this one and kept alive by it.

Three rules:

1. This process has no thread and no event loop, so it may fork at any time. What is imported before it does is in
   memory once for all of them. All it does is wait for signals.
2. The first process starts alone and the others once it is ready: what is wrong with the configuration, or has to be
   created at the first start, is found and said once.
3. No process outlives this one: each holds one end of a pipe that closes when this one ends, however it ends.
"""

import contextlib
import logging
import os
import signal
import time
from types import FrameType

import msgspec

_logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 15.0
_SHORTEST_WAIT = 0.001  # as an alarm, 0 is none

_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_READY = signal.SIGUSR1
_CHILD, _ALARM = signal.SIGCHLD, signal.SIGALRM


class Child(msgspec.Struct, frozen=True):
    """What a forked process knows of the one that keeps it alive.

    Attributes:
        parent: Its process id.
        lifeline: A file descriptor that comes to its end when that process does.
    """

    parent: int
    lifeline: int

    def tell_ready(self) -> None:
        """Say that the work has begun."""
        if os.getppid() == self.parent:
            os.kill(self.parent, _READY)


class _Place:
    """One of the processes over all its lives."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pid: int | None = None
        self.started_at = 0.0
        self.start_at: float | None = None  # None while it runs, and before it may
        self.pause = _FIRST_PAUSE


class Processes:
    """Starts so many processes, and starts each again, after a growing pause, when it ends."""

    def __init__(self, count: int, *, hopeless: int | None, stop_seconds: float) -> None:
        """Args:
        hopeless: The exit code of a process that says that starting it again cannot help.
        stop_seconds: How long processes may take to end once they were asked to.
        """
        self._places = [_Place(number + 1) for number in range(count)]
        self._hopeless = hopeless
        self._stop_seconds = stop_seconds
        self._kill_at: float | None = None  # set once stopping has begun
        self._exit_code = 0

    def run(self) -> Child | int:
        """Keep the processes running until SIGTERM or SIGINT, which is passed on.

        Returns:
            In each of the processes, which goes on from here: who it is. In this one, once all have ended: 0;
            `hopeless` if one ended with it; 1 if one had to be killed.
        """
        parent = os.getpid()
        lifeline, life = os.pipe()
        waited_for = _STOP | {_READY, _CHILD, _ALARM}
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
        handlers = {number: signal.signal(number, _never_called) for number in (_CHILD, _ALARM)}
        self._places[0].start_at = time.monotonic()
        while self._kill_at is None or self._running():
            if not self._start_due():
                os.close(life)
                for number, handler in handlers.items():
                    signal.signal(number, handler)
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                return Child(parent, lifeline)
            signal.setitimer(signal.ITIMER_REAL, self._seconds_to_wait())
            match signal.sigwait(waited_for):
                case number if number in _STOP:
                    _logger.info("shutting down")
                    self._stop()
                case number if number == _READY:
                    self._start_others()
                case number if number == _CHILD:
                    self._note_ends()
                case _:
                    self._kill_late()
        return self._exit_code

    def _running(self) -> list[_Place]:
        return [place for place in self._places if place.pid is not None]

    def _seconds_to_wait(self) -> float:
        """Return how long until there is something to do; 0 if there will be nothing without a signal."""
        times = [place.start_at for place in self._places if place.start_at is not None]
        if self._kill_at is not None:
            times.append(self._kill_at)
        return max(min(times) - time.monotonic(), _SHORTEST_WAIT) if times else 0.0

    # --- starting

    def _start_due(self) -> bool:
        """Start what is due; return False in a process that was started."""
        now = time.monotonic()
        for place in self._places:
            if place.start_at is None or place.start_at > now:
                continue
            pid = os.fork()
            if pid == 0:
                return False
            place.pid, place.started_at, place.start_at = pid, now, None
            _logger.info("process started", extra={"fields": {"process": place.number, "pid": pid}})
        return True

    def _start_others(self) -> None:
        for place in self._places:
            if not place.started_at and self._kill_at is None:
                place.start_at = time.monotonic()

    # --- ending

    def _note_ends(self) -> None:
        for place in self._running():
            assert place.pid is not None
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if pid:
                self._ended(place, pid, os.waitstatus_to_exitcode(status))

    def _ended(self, place: _Place, pid: int, code: int) -> None:
        place.pid = None
        fields = {"process": place.number, "pid": pid, **_how(code)}
        if self._kill_at is not None:
            _logger.info("process ended", extra={"fields": fields})
        elif code == self._hopeless:
            _logger.error("process cannot work; ending the others", extra={"fields": fields})
            self._exit_code = code
            self._stop()
        else:
            now = time.monotonic()
            if now - place.started_at > _LONGEST_PAUSE:
                place.pause = _FIRST_PAUSE
            _logger.error(
                "process ended; starting it again", extra={"fields": {**fields, "pause_seconds": place.pause}}
            )
            place.start_at = now + place.pause
            place.pause = min(place.pause * 2, _LONGEST_PAUSE)

    def _stop(self) -> None:
        """Ask all to end. Asked for again, it changes nothing."""
        if self._kill_at is not None:
            return
        self._kill_at = time.monotonic() + self._stop_seconds
        for place in self._places:
            place.start_at = None
        self._signal_all(signal.SIGTERM)

    def _kill_late(self) -> None:
        if self._kill_at is not None and self._kill_at <= time.monotonic() and self._running():
            _logger.error("processes did not end in time and are killed")
            self._kill_at = time.monotonic() + self._stop_seconds
            self._exit_code = self._exit_code or 1
            self._signal_all(signal.SIGKILL)

    def _signal_all(self, number: int) -> None:
        for place in self._running():
            assert place.pid is not None
            with contextlib.suppress(ProcessLookupError):
                os.kill(place.pid, number)


def _never_called(number: int, frame: FrameType | None) -> None:
    """Handle a signal that is blocked: not on every system can one be waited for that is ignored."""


def _how(code: int) -> dict[str, object]:
    return {"exit_code": code} if code >= 0 else {"signal": signal.Signals(-code).name}
