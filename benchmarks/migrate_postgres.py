"""What `outpost migrate` costs on Postgres: `python -m benchmarks.migrate_postgres [--events 1000000]`.

Upgrades a database of release v0.12 from version 4 to the newest while a client writes beside it: first in the old
shape, and as soon as a table or column of that shape is gone, in the new one. Prints one JSON line per figure.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from benchmarks.command import outpost_migrate, tell
from benchmarks.foreground_postgres import LockWatch, Stall, Writer
from benchmarks.old_postgres import fill
from outpost.clients.postgres import Target, connect
from tests.support.postgres import running_postgres

_SETTINGS = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}
_OLD = "000004_delivery_manual_attempt"


async def upgrade(url: str, *, events: int, limits: Sequence[str]) -> None:
    """Fill a database at version 4, upgrade it beside a writer, and ask again when nothing is left to do."""
    target = Target.parse(url)
    settings = {"POSTGRES_URL": url}
    await outpost_migrate(settings, "apply", "--yes", "--to", _OLD)
    async with connect(target, application="benchmark") as connection:
        await fill(connection, events=events)
    async with Writer(target) as idle:
        await asyncio.sleep(3)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "events"
        async with LockWatch(target) as locks, Writer(target) as writer:
            applied = await outpost_migrate(settings, "apply", "--yes", "--events", str(told), *limits)
        steps = _steps(told.read_text())
    tell(
        "migrate.postgres.apply",
        events=events,
        rows_per_second=round(2 * events / applied["seconds"]),
        **applied,
        longest_lock_ms=locks.longest_ms,
        foreground=writer.report(),
        idle=idle.report(),
    )
    for name, seconds in steps.items():
        longest = max((stall.milliseconds for stall in writer.stalls if _during(stall, steps, name)), default=0.0)
        tell("migrate.postgres.step", step=name, seconds=seconds[1], foreground_max_ms=round(longest, 1))
    tell("migrate.postgres.apply_nothing_to_do", **await outpost_migrate(settings, "apply", "--yes"))
    tell("migrate.postgres.verify_sample", **await outpost_migrate(settings, "verify"))


def _steps(text: str) -> dict[str, tuple[datetime, float]]:
    """Return when each migration began and how many seconds it took."""
    events = [json.loads(line) for line in text.splitlines()]
    began = {event["migration"]: event["at"] for event in events if event["event"] == "step_started"}
    return {
        event["migration"]: (datetime.fromisoformat(began[event["migration"]]), event["duration_ms"] / 1000)
        for event in events
        if event["event"] == "step_applied"
    }


def _during(stall: Stall, steps: dict[str, tuple[datetime, float]], name: str) -> bool:
    """Say whether a statement was sent during a step."""
    began = sorted((start, step) for step, (start, _) in steps.items())
    return next((step for start, step in reversed(began) if start <= stall.sent_at), "") == name


async def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("limits", nargs="*", help="options of apply, after --")
    args = parser.parse_args(arguments)
    with running_postgres(_SETTINGS) as server, server.fresh_database() as url:
        await upgrade(url, events=args.events, limits=args.limits)


if __name__ == "__main__":
    asyncio.run(main())
