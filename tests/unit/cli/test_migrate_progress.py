"""What a run shows of itself while it works."""

import argparse
from datetime import UTC, datetime

import pytest

from outpost.cli.migrate_progress import open_display
from outpost.migrations.run import Event


def test_a_pause_and_its_end_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    display = open_display(argparse.Namespace(json=False, events=None))
    for name, reason in (("paused", "paused by ada@db1; to go on, run: outpost migrate resume"), ("resumed", "")):
        display.show(Event(event=name, at=datetime.now(UTC), run="run_1", fence=1, fields={"reason": reason}))

    assert capsys.readouterr().err == "paused by ada@db1; to go on, run: outpost migrate resume\nresumed\n"
