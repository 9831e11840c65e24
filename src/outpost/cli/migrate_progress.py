"""Shows what a run does: redrawn on a terminal, a line now and then elsewhere, and as lines of JSON in a file.

A run must not end because nobody can see it any more: text that cannot be written is left out from then on, and so are
events, whose loss is told at the end.
"""

import argparse
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import IO, Protocol

import msgspec

from outpost.cli.migrate_output import progress_line, seconds, waiting_line
from outpost.cli.output import OutputLost
from outpost.domain.errors import ConfigurationError
from outpost.migrations.report import Holder, Progress
from outpost.migrations.run import Event

_LINE_EVERY = 10.0
_REDRAW_EVERY = 0.2


class Display(Protocol):
    @property
    def began(self) -> bool:
        """A run has begun that may have changed something."""
        ...

    @property
    def lost(self) -> OutputLost | None:
        """Why the file of `--events` does not hold all of them; None if it does."""
        ...

    def show(self, event: Event) -> None: ...

    def waiting(self, holder: Holder) -> None: ...

    def close(self) -> None: ...


def open_display(args: argparse.Namespace) -> Display:
    """Return what shows the run: text on standard error, and the file of `--events`.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    name = getattr(args, "events", None)
    try:
        file = None if not name else sys.stdout if name == "-" else open(name, "a", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise ConfigurationError(f"--events {name}: {error.strerror or error}") from None
    err: IO[str] | None = sys.stderr  # None if it was closed when the program started
    return _Display(err, redraws=err is not None and err.isatty() and not args.json, events=file)


class _Display:
    def __init__(self, out: IO[str] | None, *, redraws: bool, events: IO[str] | None) -> None:
        self._out = out
        self._redraws = redraws
        self._events = events
        self._drawn = 0  # characters of the line that stands on the terminal, to be drawn over
        self._next_at = 0.0
        self.began = False
        self.lost: OutputLost | None = None

    def show(self, event: Event) -> None:
        self.began = self.began or event.event == "run_started"
        self._keep(event)
        match event.event:
            case "progress":
                self._sometimes(progress_line(_progress(event)))
            case "step_started":
                self._line(f"{event.store}  {event.migration}  started")
            case "step_applied":
                took = seconds(float(event.fields.get("duration_ms", 0)) / 1000)
                self._line(f"{event.store}  {event.migration}  applied in {took}")
            case "paused":
                self._line(str(event.fields["reason"]))
            case "resumed":
                self._line("resumed")
            case "throttled" | "quarantined" | "warning":
                self._line(f"{event.store}  {event.migration}  {event.fields.get('reason', '')}".rstrip())
            case _:
                pass

    def waiting(self, holder: Holder) -> None:
        self._sometimes(waiting_line(holder))

    def close(self) -> None:
        if self._drawn:
            self._write("\n")
            self._drawn = 0
        if self._events is not None and self._events is not sys.stdout:
            with self._losing_events():
                self._events.close()
            self._events = None

    def _keep(self, event: Event) -> None:
        if self._events is not None:
            with self._losing_events():
                self._events.write(msgspec.json.encode(_flat(event)).decode() + "\n")
                self._events.flush()

    @contextmanager
    def _losing_events(self) -> Generator[None]:
        file = self._events
        try:
            yield
        except OSError as error:
            assert file is not None
            self.lost = OutputLost("standard output" if file is sys.stdout else f"--events {file.name}", error)
            self._events = None
            if file is not sys.stdout:
                with suppress(OSError):  # it writes once more what it could not write
                    file.close()

    def _sometimes(self, text: str) -> None:
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + (_REDRAW_EVERY if self._redraws else _LINE_EVERY)
        if not self._redraws:
            self._line(text)
            return
        self._write("\r" + text.ljust(self._drawn))
        self._drawn = len(text)

    def _line(self, text: str) -> None:
        over = "\r" + " " * self._drawn + "\r" if self._drawn else ""
        self._drawn = 0
        self._write(over + text + "\n")

    def _write(self, text: str) -> None:
        if self._out is None:
            return
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:
            self._out = None


def _flat(event: Event) -> dict[str, object]:
    return {
        "event": event.event,
        "at": event.at,
        "run": event.run,
        "fence": event.fence,
        "store": event.store,
        "migration": event.migration,
        **event.fields,
    }


def _progress(event: Event) -> Progress:
    return msgspec.convert({"store": event.store, "migration": event.migration, **event.fields}, type=Progress)
