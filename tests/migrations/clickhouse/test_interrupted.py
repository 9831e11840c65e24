"""A run that ends anywhere is finished by the next, and ends in the same rows."""

from collections.abc import Callable

import pytest

from outpost.migrations.line import VerifyRequest
from outpost.migrations.sql.clickhouse import execution, windows
from tests.support.clickhouse_line import BEFORE_013, LineUnderTest

_EVENTS = """
INSERT INTO events (event_id, destination_id, event_time)
SELECT toString(number), if(number % 2 = 0, 'des_1', ''), toDateTime64('2025-11-30 23:59:57', 3) + number
  FROM numbers(6)"""
_ATTEMPTS = """
INSERT INTO attempts (event_id, destination_id, event_time, attempt_id, attempt_time)
SELECT event_id, 'des_2', event_time, event_id, event_time + 1 FROM events WHERE event_id < '4'"""
_FOUND = "SELECT event_id, matched_destination_ids FROM events ORDER BY event_id"
_EXPECTED = {
    "0": ["des_1", "des_2"],
    "1": ["des_2"],
    "2": ["des_1", "des_2"],
    "3": ["des_2"],
    "4": ["des_1"],
    "5": [],
}


class _EndedError(BaseException):
    """Nothing catches it, as nothing catches signal 9."""


def _calling(passed: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (execution, windows):
        monkeypatch.setattr(module, "failpoint", passed)


# A whole run passes some 36 places; test_killed.py has the rest of what is special about them.
@pytest.mark.parametrize("last", range(1, 36, 5))
async def test_after_any_place_the_next_run_ends_in_the_same_rows(
    line: LineUnderTest, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    passed = 0

    def end(_: str) -> None:
        nonlocal passed
        passed += 1
        if passed > last:
            raise _EndedError

    await line.original(1)
    await line.execute(_EVENTS, _ATTEMPTS)
    with monkeypatch.context() as patch:
        _calling(end, patch)
        with pytest.raises(_EndedError):
            await line.apply(batch=3)
    await line.apply(batch=3)

    assert dict(await line.rows(_FOUND)) == _EXPECTED
    assert (await line.coordinator.verify(VerifyRequest(full=True))).ok
    assert await line.version_row() == (3, 0)


@pytest.mark.parametrize("last", [0, 1])
async def test_old_tables_are_moved_aside_once(line: LineUnderTest, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    def end(name: str) -> None:
        nonlocal last
        last -= name == "clickhouse.before_move"
        if last < 0:
            raise _EndedError

    await line.original(0)
    await line.execute(*BEFORE_013, "INSERT INTO schema_migrations SELECT 1, 0, 1")
    await line.execute("INSERT INTO events (id) VALUES ('evt')", "INSERT INTO deliveries (id) VALUES ('del')")
    with monkeypatch.context() as patch:
        _calling(end, patch)
        with pytest.raises(_EndedError):
            await line.apply()

    await line.apply()

    assert await line.rows("SELECT id FROM outpost_kept_events") == [("evt",)]
    assert await line.rows("SELECT id FROM outpost_kept_deliveries") == [("del",)]
