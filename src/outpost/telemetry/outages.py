"""Dependencies that are away: what the log says while work waits for them.

However many wait, and however often they try again, people read of one outage only this:

    away ──▶ still away, once a minute ──▶ back
    warning        warning                 info

A dependency is back once it has answered and then refused nobody for a moment. One that nobody waits for, because what
needed it was turned away, is taken for back when nothing was turned away for a minute.

There is one `OUTAGES` for a process, for the reason that there is one logger of a name: those who wait know nothing of
each other, and the log is theirs together. It belongs to the thread of the event loop.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from outpost.domain.errors import Unavailable

_logger = logging.getLogger("outpost.outages")

_REMIND_SECONDS = 60.0
_CALM_SECONDS = 2.0
"""Longer than those pause who wait for a server, so that one that answers only some of them does not count as back."""


class Timer(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer | None]
"""Calls a function after so many seconds."""


class _Outage:
    """One dependency that is away.

    Attributes:
        refused_at: When it refused last.
        answered_at: When it first answered after that; None if it did not.
        waiting: Those who wait, with how much of what each of them has.
        turned_away: How much could not wait, by what it was.
    """

    def __init__(self, dependency: str, now: float) -> None:
        self.dependency = dependency
        self.began_at = self.told_at = self.refused_at = now
        self.answered_at: float | None = None
        self.error = ""
        self.waiting: dict[Waiting, tuple[str, int]] = {}
        self.turned_away: Counter[str] = Counter()
        self.timer: Timer | None = None

    def over_at(self) -> float:
        """Return when it is over, if nobody waits and it refuses nothing until then."""
        return self.refused_at + _REMIND_SECONDS if self.answered_at is None else self.answered_at + _CALM_SECONDS

    def fields(self, until: float) -> dict[str, object]:
        fields: dict[str, object] = {"dependency": self.dependency, "away_seconds": round(until - self.began_at, 1)}
        waiting: Counter[str] = Counter()
        for step, count in self.waiting.values():
            waiting[step] += count
        if waiting:
            fields["waiting"] = dict(waiting)
        if self.turned_away:
            fields["turned_away"] = dict(self.turned_away)
        return fields


def _call_later(seconds: float, call: Callable[[], None]) -> Timer | None:
    try:
        return asyncio.get_running_loop().call_later(seconds, call)
    except RuntimeError:  # the loop has ended, and the process is about to
        return None


class Outages:
    """The outages that a process knows of."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic, later: Later = _call_later) -> None:
        """Args:
        now: Seconds of a clock that only goes forward.
        """
        self._now = now
        self._later = later
        self._away: dict[str, _Outage] = {}

    def turned_away(self, error: Unavailable, what: str, *, meanwhile: str) -> None:
        """Note something that could not wait for a dependency.

        Args:
            what: In the plural, as in "requests".
            meanwhile: What happens to such things as long as this lasts.
        """
        outage = self._outage(error, meanwhile)
        outage.turned_away[what] += 1
        self._tell(outage)
        self._look_later(outage)

    def forget(self) -> None:
        """Begin anew, knowing of none; nothing is said of them any more."""
        for outage in self._away.values():
            if outage.timer is not None:
                outage.timer.cancel()
        self._away.clear()

    def waits(self, waiting: "Waiting", error: Unavailable, count: int) -> _Outage:
        """Note that someone was refused and waits; return what it waits for."""
        outage = self._outage(error, waiting.meanwhile)
        outage.waiting[waiting] = (waiting.step, count)
        self._tell(outage)
        return outage

    def waits_no_more(self, waiting: "Waiting", outage: _Outage, *, answered: bool) -> None:
        outage.waiting.pop(waiting, None)
        if answered and outage.answered_at is None:
            outage.answered_at = self._now()
        self._look_later(outage)

    def _outage(self, error: Unavailable, meanwhile: str) -> _Outage:
        now = self._now()
        outage = self._away.get(error.dependency)
        if outage is None:
            outage = self._away[error.dependency] = _Outage(error.dependency, now)
            fields = {"dependency": error.dependency, "error": str(error), "meanwhile": meanwhile}
            _logger.warning("a dependency is away", extra={"fields": fields})
        outage.refused_at, outage.answered_at, outage.error = now, None, str(error)
        return outage

    def _tell(self, outage: _Outage) -> None:
        """Remind people, if the last line was long ago."""
        now = self._now()
        if now - outage.told_at >= _REMIND_SECONDS:
            outage.told_at = now
            fields = {**outage.fields(now), "error": outage.error}
            _logger.warning("a dependency is still away", extra={"fields": fields})

    def _look_later(self, outage: _Outage) -> None:
        if outage.waiting or self._away.get(outage.dependency) is not outage:
            return
        if outage.timer is not None:
            outage.timer.cancel()
        outage.timer = self._later(max(0.0, outage.over_at() - self._now()), lambda: self._look(outage))

    def _look(self, outage: _Outage) -> None:
        outage.timer = None
        if outage.waiting:  # the last of them to leave has it looked at again
            return
        if self._now() < outage.over_at():
            self._look_later(outage)
            return
        del self._away[outage.dependency]
        if outage.answered_at is None:
            fields = outage.fields(outage.refused_at)
            _logger.info("a dependency that was away has refused nothing for a minute", extra={"fields": fields})
        else:
            _logger.info("a dependency is back", extra={"fields": outage.fields(outage.answered_at)})


OUTAGES = Outages()


class Waiting:
    """Some work that is tried again whenever a dependency has refused it.

    Either a context around the tries, whose end without an error means that the last one succeeded; or an object that
    is kept, and told how each of them went.
    """

    __slots__ = ("_outage", "_outages", "meanwhile", "step")

    def __init__(self, step: str, *, meanwhile: str, outages: Outages = OUTAGES) -> None:
        """Args:
        step: The work, as in "logging attempts".
        meanwhile: What happens to the messages while it waits: a sentence for people.
        """
        self.step = step
        self.meanwhile = meanwhile
        self._outages = outages
        self._outage: _Outage | None = None

    def refused(self, error: Unavailable, *, count: int = 1) -> None:
        """Say that a try was refused, and will be made again.

        Args:
            count: How much waits for it.
        """
        before, self._outage = self._outage, self._outages.waits(self, error, count)
        if before is not None and before is not self._outage:
            self._outages.waits_no_more(self, before, answered=False)

    def succeeded(self) -> None:
        """Say that a try succeeded."""
        self._end(answered=True)

    def given_up(self) -> None:
        """Say that no further try is made, whether or not the dependency is back."""
        self._end(answered=False)

    def _end(self, *, answered: bool) -> None:
        if self._outage is not None:
            outage, self._outage = self._outage, None
            self._outages.waits_no_more(self, outage, answered=answered)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(answered=kind is None)
