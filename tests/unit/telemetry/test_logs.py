"""Log lines."""

import io
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from outpost.telemetry import logs
from outpost.telemetry.logs import LogHandler, configure_logging, render_human, render_json

logger = logging.getLogger("outpost.test_logs")


class Stream(io.BytesIO):
    """A stream that keeps its text when closed, and can be held up."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()

    def write(self, text: Any, /) -> int:
        self.reached.set()
        self.open.wait(10)
        return super().write(text)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def stream() -> Iterator[Stream]:
    root, own = logging.getLogger(), logging.getLogger("outpost")
    levels = root.level, own.level
    stream = Stream()
    yield stream
    stream.open.set()
    for handler in [*root.handlers]:
        if isinstance(handler, LogHandler):
            root.removeHandler(handler)
            handler.close()
    logging.captureWarnings(capture=False)
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def flush() -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogHandler):
            handler.flush()


def record(message: str = "m", *, level: int = logging.INFO, created: float = 1.0, **extra: Any) -> logging.LogRecord:
    fields = {"levelno": level, "msg": message, "created": created, "pathname": "/x/outpost/pipeline/deliver.py"}
    return logging.makeLogRecord({**fields, "lineno": 8, **extra})


def test_a_line_is_json_with_the_known_keys_and_the_fields(stream: Stream) -> None:
    configure_logging("info", stream=stream)

    logger.info("delivered %d", 2, extra={"fields": {"event_id": "e1", "level": "mine"}})
    flush()

    (line,) = stream.lines()
    assert list(line) == ["level", "ts", "caller", "msg", "host.name", "event_id"]
    assert line["level"] == "info"
    assert isinstance(line["ts"], float)
    assert line["caller"].startswith("telemetry/test_logs.py:")
    assert (line["msg"], line["event_id"]) == ("delivered 2", "e1")


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("trace", ["debug", "info", "warn", "error", "fatal"]),
        ("debug", ["debug", "info", "warn", "error", "fatal"]),
        ("info", ["info", "warn", "error", "fatal"]),
        ("warn", ["warn", "error", "fatal"]),
        ("error", ["error", "fatal"]),
        ("dpanic", ["fatal"]),
        ("panic", ["fatal"]),
        ("fatal", ["fatal"]),
    ],
)
def test_each_level_lets_the_more_important_lines_through(stream: Stream, level: str, written: list[str]) -> None:
    configure_logging(level, stream=stream)

    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logger.log(number, "line")
    flush()

    assert [line["level"] for line in stream.lines()] == written


def test_a_disabled_level_is_not_rendered(stream: Stream) -> None:
    class Costly:
        def __str__(self) -> str:
            raise AssertionError("rendered")

    configure_logging("info", stream=stream)

    logger.debug("%s", Costly())
    flush()

    assert not logger.isEnabledFor(logging.DEBUG)
    assert stream.getvalue() == b""


def test_libraries_are_heard_from_warning_up(stream: Stream) -> None:
    configure_logging("debug", stream=stream)

    logging.getLogger("library").info("chatter")
    logging.getLogger("library").warning("trouble")
    flush()

    assert [line["msg"] for line in stream.lines()] == ["trouble"]


def test_python_warnings_become_log_lines(stream: Stream) -> None:
    configure_logging("info", stream=stream)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old habit", UserWarning, stacklevel=1)
    flush()

    assert "old habit" in stream.lines()[0]["msg"]


def test_a_stack_trace_is_written_from_error_up(stream: Stream) -> None:
    configure_logging("info", stream=stream)

    try:
        raise ValueError("broken")
    except ValueError as error:
        logger.warning("warned", exc_info=error)
        logger.exception("failed")
    flush()

    warned, failed = stream.lines()
    assert warned["error"] == failed["error"] == "ValueError: broken"
    assert "stacktrace" not in warned
    assert "test_logs.py" in failed["stacktrace"]


def test_a_flood_of_one_message_is_sampled(stream: Stream) -> None:
    handler = LogHandler(stream, render_json)
    for _ in range(1000):
        handler.handle(record("flood", created=5.0))
    handler.handle(record("other", created=5.0))
    handler.handle(record("flood", level=logging.ERROR, created=5.5))
    handler.handle(record("flood", created=6.0))
    handler.close()

    kinds = [(line["msg"], line["level"], int(line["ts"])) for line in stream.lines()]
    assert kinds.count(("flood", "info", 5)) == 100 + 9
    assert kinds[-3:] == [("other", "info", 5), ("flood", "error", 5), ("flood", "info", 6)]


def test_logging_does_not_wait_for_the_stream_and_memory_is_bounded(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_QUEUE_LIMIT", 10)
    handler = LogHandler(stream, render_json)
    stream.open.clear()
    handler.handle(record("first"))
    assert stream.reached.wait(10)

    for number in range(50):
        handler.handle(record(f"line {number}"))
    assert stream.getvalue() == b""
    stream.open.set()
    handler.close()

    lines = stream.lines()
    assert [line["msg"] for line in lines[:11]] == ["first", *(f"line {number}" for number in range(10))]
    assert (lines[11]["msg"], lines[11]["level"], lines[11]["dropped"]) == ("log lines were dropped", "warn", 40)


def test_closing_writes_what_is_left(stream: Stream) -> None:
    handler = LogHandler(stream, render_json)
    for number in range(99):
        handler.handle(record(f"line {number}"))
    handler.close()

    assert len(stream.lines()) == 99


def test_a_stream_that_is_gone_ends_nothing(stream: Stream) -> None:
    handler = LogHandler(stream, render_json)
    stream.close()

    handler.handle(record("unheard"))
    handler.flush()
    handler.close()


def test_configuring_again_replaces_the_handler(stream: Stream) -> None:
    configure_logging("info", stream=stream)
    configure_logging("info", stream=stream)

    logger.info("once")
    flush()

    assert len(stream.lines()) == 1


@pytest.mark.parametrize("value", ["\ud800", {"a": {1: "\udfff"}}, object(), float("nan"), b"\xff", {1, 2}])
def test_any_value_can_be_a_field(value: object) -> None:
    line = json.loads(render_json(record("odd", fields={"value": value})))

    assert line["level"] == "info"
    assert "odd" in line["msg"]
    assert "value" in line


def test_lines_for_people_are_plain(stream: Stream) -> None:
    text = render_human(record("delivered", fields={"event_id": "e1", "bad": "\ud800"})).decode()

    clock, level, rest = text.split(maxsplit=2)
    assert len(clock) == 8
    assert level == "info"
    assert rest == "delivered  event_id=e1  bad=\\ud800\n"


def test_lines_for_people_end_with_the_stack_trace() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)

    text = render_human(record("failed", level=logging.ERROR, exc_info=info)).decode()

    assert "failed  error=ValueError: broken\nTraceback" in text
