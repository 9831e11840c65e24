"""Windows shrink when the server takes longer for one than a person allows."""

import pytest

from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.run import Event, Limits
from outpost.migrations.sql.clickhouse import windows
from tests.support.clickhouse_line import LineUnderTest

_EVENTS = """
INSERT INTO events (event_id, destination_id, event_time)
SELECT toString(number), 'des', toDateTime64('2025-11-30 10:00:00', 3) + number FROM numbers(30)"""


@pytest.mark.parametrize(("budget_ms", "rows"), [(0.001, [16, 8, 4, 2]), (600_000.0, [16, 14])])
async def test_windows_follow_the_latency_budget(
    line: LineUnderTest, monkeypatch: pytest.MonkeyPatch, budget_ms: float, rows: list[int]
) -> None:
    monkeypatch.setattr(windows, "ROWS", 16)
    monkeypatch.setattr(windows, "_FEWEST", 2)
    await line.original(1)
    await line.execute(_EVENTS)
    events: list[Event] = []
    coordinator = Coordinator(line.coordinator.lines, observe=events.append)

    await coordinator.apply(ApplyRequest(single_runner=True, limits=Limits(max_latency_ms=budget_ms)))

    found = [event.fields["batch"] for event in events if event.event == "progress"]
    assert found[: len(rows)] == rows
    assert await line.rows("SELECT count() FROM events WHERE matched_destination_ids = ['des']") == [(30,)]
