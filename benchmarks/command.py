"""One `outpost migrate` command as a process of its own, and what it cost; figures as lines of JSON."""

import asyncio
import contextlib
import json
import os
import resource
import sys
from collections.abc import Mapping
from typing import Any

import psutil

from benchmarks.pipeline import ROOT


async def outpost_migrate(settings: Mapping[str, str], *arguments: str) -> dict[str, float]:
    """Run one command to its end; return its seconds from start to exit and its largest memory."""
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT / "src")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has been compiled already
    program = [sys.executable, "-m", "outpost", "migrate", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    loop = asyncio.get_running_loop()
    started = loop.time()
    process = await asyncio.create_subprocess_exec(
        *program, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    watching = asyncio.create_task(_largest_memory(process.pid))
    _, err = await process.communicate()
    seconds = loop.time() - started
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {process.returncode}:\n{err.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 2), "largest_rss_mb": await watching}


def _children(pid: int) -> list[int]:
    """Return the processes that one has started. `psutil` would look at all there are, and take a while each time."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]


def _memory(pid: int) -> int:
    return psutil.Process(pid).memory_info().rss


async def _largest_memory(pid: int) -> int:
    """Return the most MiB that the process and those it started had in memory until it ended."""
    largest = 0
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            largest = max(largest, process.memory_info().rss + sum(map(_memory, _children(process.pid))))
            await asyncio.sleep(0.02)
    return round(largest / 1024 / 1024)


def tell(figure: str, **values: Any) -> None:
    print(json.dumps({"figure": figure, **values}), flush=True)
