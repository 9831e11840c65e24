"""Log lines: JSON on stderr, sampled, written by a thread of its own so that no event loop waits for a pipe.

A process that forks has no threads; it writes its few lines directly, and its children call `log_from_a_thread`.

    {"level":"info","ts":1767225600.123,"caller":"pipeline/deliver.py:88","msg":"delivered","host.name":"a1","event_id":"e1"}

Every module logs with the standard library and passes fields in one way:

    _log = logging.getLogger(__name__)
    _log.info("delivered", extra={"fields": {"event_id": event.id}})
"""

import logging
import platform
import sys
import threading
import time
import traceback
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import msgspec

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "dpanic": logging.CRITICAL,
    "panic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}
"""Names of `LOG_LEVEL` and what they are here."""

SAMPLED_AFTER = 100
"""Lines of one level and message in one second that are all written; then every 100th is."""

_NAMES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn", logging.ERROR: "error"}
_QUEUE_LIMIT = 10_000
_CLOSE_SECONDS = 2.0

Render = Callable[[logging.LogRecord], bytes]


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: bytes, /) -> object: ...

    def flush(self) -> None: ...


def configure_logging(level: str, *, human: bool = False, stream: Stream | None = None, direct: bool = False) -> None:
    """Send all log lines to `stream`, from now on.

    Outpost's own lines appear from `level` up, those of libraries from warning up. May be called again; lines of the
    earlier configuration are written first.

    Args:
        level: One of `LEVELS`.
        human: Lines for a person at a terminal instead of JSON.
        stream: Where to; None is stderr.
        direct: Whoever logs writes, too, so that no thread is started.
    """
    # Nothing shows these, so no record has to find them out.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    for handler in [*root.handlers]:
        if isinstance(handler, LogHandler):
            root.removeHandler(handler)
            handler.close()
    number = LEVELS[level]
    root.addHandler(LogHandler(stream or sys.stderr.buffer, render_human if human else render_json, direct=direct))
    root.setLevel(max(number, logging.WARNING))
    logging.getLogger("outpost").setLevel(number)
    logging.captureWarnings(capture=True)


def log_from_a_thread() -> None:
    """Leave the writing to a thread from now on, in a process that will not fork any more."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogHandler):
            handler.start_thread()


def render_json(record: logging.LogRecord) -> bytes:
    line: dict[str, Any] = {
        "level": _NAMES.get(record.levelno, "fatal"),
        "ts": record.created,
        "caller": f"{'/'.join(record.pathname.rsplit('/', 2)[-2:])}:{record.lineno}",
        "msg": record.getMessage(),
        "host.name": _HOST,
    }
    for name, value in (_fields(record) | _failure(record)).items():
        line.setdefault(name, value)
    try:
        return _ENCODER.encode(line) + b"\n"
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        # Half a surrogate pair, or a value that cannot be written: the line matters more than its form.
        safe = {name: ascii(value) for name, value in line.items()}
        return _ENCODER.encode({**safe, "level": line["level"], "ts": record.created}) + b"\n"


def render_human(record: logging.LogRecord) -> bytes:
    clock = time.strftime("%H:%M:%S", time.localtime(record.created))
    failure = _failure(record)
    trace = failure.pop("stacktrace", "")
    fields = "".join(f"  {name}={value}" for name, value in (_fields(record) | failure).items())
    text = f"{clock} {_NAMES.get(record.levelno, 'fatal'):<5} {record.getMessage()}{fields}\n{trace}"
    return text.encode("utf-8", "backslashreplace")


class LogHandler(logging.Handler):
    """Renders a record where it was logged, and leaves the writing to a thread, unless it is to write directly.

    Memory is bounded: when nobody reads the stream, lines above 10,000 are dropped and counted, and the count is
    written as soon as the stream moves again.
    """

    def __init__(self, stream: Stream, render: Render, *, direct: bool = False) -> None:
        super().__init__()
        self._stream = stream
        self._render = render
        self._sampler = _Sampler()
        self._writer: _Writer | None = None
        if not direct:
            self.start_thread()

    def start_thread(self) -> None:
        self._writer = _Writer(self._stream, self._dropped_line)

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging with the handler's lock held."""
        if not self._sampler.keeps(record):
            return
        try:
            line = self._render(record)
        except Exception:
            # As in the standard library's handlers: a faulty log call must not end the work it speaks about.
            self.handleError(record)
        else:
            if self._writer is None:
                _write(self._stream, line)
            else:
                self._writer.write(line)

    def flush(self) -> None:
        """Wait until every line so far is written, at most two seconds."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Write what is left, at most for two seconds; logging does this when the process ends."""
        if self._writer is not None:
            self._writer.close()
        super().close()

    def _dropped_line(self, count: int) -> bytes:
        fields = {"fields": {"dropped": count}}
        record = logging.makeLogRecord({"levelno": logging.WARNING, "msg": "log lines were dropped", **fields})
        return self._render(record)


class _Sampler:
    """Counts lines per level and message within one second."""

    def __init__(self) -> None:
        self._second = 0
        self._seen: dict[tuple[int, str], int] = {}

    def keeps(self, record: logging.LogRecord) -> bool:
        if getattr(record, "sampled", False):  # by its author, before it was made
            return True
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._seen.clear()
        kind = (record.levelno, str(record.msg))
        count = self._seen[kind] = self._seen.get(kind, 0) + 1
        return count <= SAMPLED_AFTER or count % SAMPLED_AFTER == 0


class _Writer:
    """A thread that writes lines to a stream, many at a time; its memory is bounded."""

    def __init__(self, stream: Stream, dropped_line: Callable[[int], bytes]) -> None:
        self._stream = stream
        self._dropped_line = dropped_line
        self._queue: SimpleQueue[bytes | threading.Event | None] = SimpleQueue()
        self._dropped = 0
        # A daemon, so that a stream nobody reads cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="outpost-logs", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        if self._queue.qsize() >= _QUEUE_LIMIT:
            self._dropped += 1
        else:
            self._queue.put(line)

    def flush(self) -> None:
        if self._thread.is_alive():
            reached = threading.Event()
            self._queue.put(reached)
            reached.wait(_CLOSE_SECONDS)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while True:
            items = self._take()
            lines = [item for item in items if isinstance(item, bytes)]
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                lines.append(self._dropped_line(dropped))
            _write(self._stream, b"".join(lines))
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()
            if None in items:
                return

    def _take(self) -> list[bytes | threading.Event | None]:
        """Wait for one item, then take what else is there."""
        items = [self._queue.get()]
        try:
            while len(items) < _QUEUE_LIMIT:
                items.append(self._queue.get_nowait())
        except Empty:
            pass
        return items


def _write(stream: Stream, text: bytes) -> None:
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        pass  # the stream is gone; there is nobody left to tell


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "fields", None) or {}


def _failure(record: logging.LogRecord) -> dict[str, Any]:
    """What went wrong, and from level error up where."""
    kind, error = (record.exc_info or (None, None))[:2]
    if kind is None or error is None:
        return {}
    failure = {"error": f"{kind.__name__}: {error}"}
    if record.levelno >= logging.ERROR:
        failure["stacktrace"] = "".join(traceback.format_exception(error))
    return failure


_HOST = platform.node()
_ENCODER = msgspec.json.Encoder(enc_hook=str)
