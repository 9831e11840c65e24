"""What `outpost migrate` costs on Redis: `python -m benchmarks.migrate [--tenants 62500]`.

Prints one JSON line per figure, each beside its yardstick from the same run: the time one pipelined client needs to
write the same old keys. 62,500 tenants with three destinations are some 310,000 keys; 100,000 are half a million.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psutil

from benchmarks.delay import delayed
from benchmarks.legacy_redis import fill
from benchmarks.pipeline import ROOT, free_port
from outpost.clients.redis import RedisClient, RedisOptions


@asynccontextmanager
async def redis_server() -> AsyncGenerator[RedisClient]:
    """Run a server that keeps nothing, for the length of the block."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is not on PATH; `make servers` installs it where it can")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder]
        server = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.DEVNULL)
        try:
            async with RedisClient(RedisOptions(port=port)) as redis:
                await _until_it_answers(redis)
                yield redis
        finally:
            server.terminate()
            await server.wait()


async def _until_it_answers(redis: RedisClient) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            await redis.command("PING")
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def migrate(port: int, *arguments: str) -> dict[str, float]:
    """Run one command to its end; return its seconds from start to exit and its largest memory."""
    environment = {**os.environ, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port), "PYTHONPATH": str(ROOT / "src")}
    program = [sys.executable, "-m", "outpost", "migrate", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *program, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    watching = asyncio.create_task(_largest_memory(process.pid))
    _, err = await process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {process.returncode}:\n{err.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 2), "largest_rss_mb": await watching}


async def _largest_memory(pid: int) -> int:
    """Return the most MiB the process had in memory until it ended."""
    largest = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            largest = max(largest, process.memory_info().rss)
            await asyncio.sleep(0.02)
    return round(largest / 1024 / 1024)


class Foreground:
    """A client that reads one key a thousand times a second, as a server would."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._waits: list[float] = []

    async def __aenter__(self) -> "Foreground":
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _read(self) -> None:
        while True:
            started = time.perf_counter()
            await self._redis.command("GET", "foreground")
            self._waits.append(time.perf_counter() - started)
            await asyncio.sleep(0.001)

    def report(self) -> dict[str, float]:
        waits = sorted(self._waits)
        p99 = waits[int(len(waits) * 0.99)] if waits else 0.0
        return {"foreground_p99_ms": round(p99 * 1000, 2), "foreground_max_ms": round(max(waits, default=0) * 1000, 2)}


def tell(figure: str, **values: Any) -> None:
    print(json.dumps({"figure": figure, **values}), flush=True)


async def on_loopback(tenants: int) -> None:
    """The whole upgrade of an old store, and every command after it."""
    async with redis_server() as redis:
        keys, filled = await fill(redis, tenants=tenants)
        tell("migrate.yardstick", keys=keys, write_seconds=round(filled, 2))
        async with Foreground(redis) as idle:
            await asyncio.sleep(2)
        async with Foreground(redis) as foreground:
            applied = await migrate(redis_port(redis), "apply", "--yes")
        ratio = round(applied["seconds"] / filled, 2)
        tell("migrate.apply", keys=keys, of_write_time=ratio, **applied, **foreground.report(), idle=idle.report())
        tell("migrate.apply_nothing_to_do", **await migrate(redis_port(redis), "apply", "--yes"))
        tell("migrate.verify_sample", **await migrate(redis_port(redis), "verify"))
        full = await migrate(redis_port(redis), "verify", "--full")
        tell("migrate.verify_full", of_apply_time=round(full["seconds"] / applied["seconds"], 2), **full)


async def far_away(tenants: int, *, milliseconds_each_way: float) -> None:
    """The same over a slow line."""
    async with redis_server() as redis:
        keys, filled = await fill(redis, tenants=tenants)
        async with delayed(redis_port(redis), milliseconds=milliseconds_each_way) as port:
            applied = await migrate(port, "apply", "--yes")
        tell(
            "migrate.apply_over_a_slow_line",
            keys=keys,
            round_trip_ms=2 * milliseconds_each_way,
            write_seconds=round(filled, 2),
            **applied,
        )


def redis_port(redis: RedisClient) -> int:
    return int(redis.endpoint.rpartition(":")[2])


async def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=62_500)
    args = parser.parse_args(arguments)
    await on_loopback(args.tenants)
    await far_away(5_000, milliseconds_each_way=1.0)


if __name__ == "__main__":
    asyncio.run(main())
