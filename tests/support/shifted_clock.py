"""Runs `outpost` with a clock that tests can set: `python shifted_clock.py serve`.

CLOCK_SHIFT names a file that holds the seconds by which the clock is wrong.
"""

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from outpost.ports import clock

_right = clock.system_clock


def shifted() -> datetime:
    return _right() + timedelta(seconds=float(Path(os.environ["CLOCK_SHIFT"]).read_text()))


if __name__ == "__main__":
    clock.system_clock = shifted  # before anything takes it from there

    from outpost.cli.main import main

    sys.exit(main())
