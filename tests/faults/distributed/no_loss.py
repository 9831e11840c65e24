"""What every test here asserts: what was answered 202 is delivered, on record, and nothing was given up."""

import asyncio
import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from tests.support.deployment import Deployment
from tests.support.load import Load
from tests.support.receiver import Receiver

_PAUSE_SECONDS = 0.02


async def assert_nothing_is_lost(
    outpost: Deployment, receiver: Receiver, accepted: Collection[str], *, path: str = "/ok", seconds: float = 40
) -> None:
    wanted = set(accepted)
    assert wanted
    await until(lambda: wanted <= receiver.event_ids(path), f"events at {path}", seconds=seconds)
    async with asyncio.timeout(seconds):
        while missing := wanted - await outpost.successes():
            await asyncio.sleep(0.2)
    assert not missing
    assert await outpost.dead_letters() == 0


async def until(condition: Callable[[], bool], what: str, *, seconds: float = 40) -> float:
    """Wait for what another process brings about; return how many seconds it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds} s"
        await asyncio.sleep(_PAUSE_SECONDS)
    return time.monotonic() - started


async def until_delivered_anew(load: Load, receiver: Receiver, *, path: str = "/ok", seconds: float = 40) -> float:
    """Wait until something that is accepted from now on has arrived; return how many seconds it took."""
    before = set(load.accepted)
    return await until(lambda: bool((load.accepted.keys() & receiver.event_ids(path)) - before), path, seconds=seconds)


async def until_on_record(outpost: Deployment, accepted: Collection[str], *, seconds: float = 40) -> float:
    """Wait until these events have the record of their delivery; return how many seconds it took."""
    started = time.monotonic()
    async with asyncio.timeout(seconds):
        while set(accepted) - await outpost.successes():
            await asyncio.sleep(0.05)
    return time.monotonic() - started


async def assert_one_outage_is_told_of(outpost: Deployment, dependency: str) -> None:
    """Wait for the line that says that it is over. Nothing else is logged at level warning or above, but for what was
    accepted in the moment it began."""
    log = outpost.process.log
    await until(lambda: '"a dependency is back"' in log.read_text(), f"a line that {dependency} is back")
    lines = [msgspec.json.decode(line) for line in log.read_text().splitlines()]
    told = [(line["level"], line["msg"], line["dependency"]) for line in lines if "dependency" in line]
    assert told == [("warn", "a dependency is away", dependency), ("info", "a dependency is back", dependency)]
    others = [line for line in lines if line["level"] not in ("info", "debug") and "dependency" not in line]
    assert [line for line in others if "accepted events are not remembered" not in line["msg"]] == []


def rss_mebibytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def told(what: str, **figures: float) -> None:
    """Print figures of a test; `pytest -s` shows them."""
    print(f"\n{what}: " + ", ".join(f"{name} {figure:.2f}" for name, figure in figures.items()))
