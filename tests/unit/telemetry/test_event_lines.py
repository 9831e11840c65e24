"""Lines that are due for every event."""

import logging

import pytest

from outpost.telemetry.event_lines import EventLine


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> EventLine:
    monkeypatch.setattr("time.monotonic", lambda: 5.5)
    logger = logging.getLogger("outpost.test_event_lines")
    logger.setLevel(logging.INFO)
    return EventLine(logger, "something happened")


def test_the_first_hundred_of_a_second_are_wanted_and_then_every_hundredth(line: EventLine) -> None:
    wanted = [line.wanted() for _ in range(500)]

    assert wanted[:100] == [True] * 100
    assert [number + 1 for number, each in enumerate(wanted) if each and number >= 100] == [200, 300, 400, 500]


def test_the_next_second_counts_anew(line: EventLine, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(150):
        line.wanted()

    monkeypatch.setattr("time.monotonic", lambda: 6.0)

    assert line.wanted()


def test_a_disabled_level_wants_nothing(line: EventLine) -> None:
    logging.getLogger("outpost.test_event_lines").setLevel(logging.WARNING)

    assert not line.wanted()


def test_the_line_carries_its_fields(line: EventLine, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "outpost.test_event_lines"):
        line.write(event_id="evt_1")

    (record,) = caplog.records
    assert record.getMessage() == "something happened"
    assert record.__dict__["fields"] == {"event_id": "evt_1"}
