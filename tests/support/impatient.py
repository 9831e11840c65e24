"""Runs `outpost` with leases that end within seconds: `python impatient.py migrate apply --yes`."""

import sys

from outpost.migrations import lease


class Impatient(lease.Timings, frozen=True, kw_only=True):
    """Seconds instead of minutes."""

    heartbeat: float = 0.2
    quiet: float = 2.0
    stale: float = 3.0
    poll: float = 0.1


if __name__ == "__main__":
    lease.Timings = Impatient  # before anything takes it from there

    from outpost.cli.main import main

    sys.exit(main())
