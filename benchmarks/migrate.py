"""What `outpost migrate` costs on Redis: `python -m benchmarks.migrate [--tenants 62500]`.

Prints one JSON line per figure, each beside its yardstick from the same run: the time one pipelined client needs to
write the same old keys. 62,500 tenants with three destinations are some 310,000 keys; 100,000 are half a million.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from benchmarks.command import outpost_migrate, tell
from benchmarks.legacy_redis import fill
from benchmarks.pipeline import free_port
from outpost.clients.redis import RedisClient, RedisOptions
from tests.support.fault_proxy import FaultProxy


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
    """Run one command on the server at `port` to its end."""
    return await outpost_migrate({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)}, *arguments)


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


async def on_loopback(tenants: int) -> None:
    """The whole upgrade of an old store, and every command after it."""
    async with redis_server() as redis:
        keys, filled = await fill(redis, tenants=tenants)
        tell("migrate.yardstick", keys=keys, write_seconds=round(filled, 2))
        applied = await migrate(redis_port(redis), "apply", "--yes")
        tell("migrate.apply", keys=keys, of_write_time=round(applied["seconds"] / filled, 2), **applied)
        tell("migrate.apply_nothing_to_do", **await migrate(redis_port(redis), "apply", "--yes"))
        tell("migrate.verify_sample", **await migrate(redis_port(redis), "verify"))
        full = await migrate(redis_port(redis), "verify", "--full")
        tell("migrate.verify_full", of_apply_time=round(full["seconds"] / applied["seconds"], 2), **full)


async def beside_a_server(tenants: int) -> None:
    """The same while another client reads: what it waits, and before that what it waits without."""
    async with redis_server() as redis:
        keys, _ = await fill(redis, tenants=tenants)
        async with Foreground(redis) as idle:
            await asyncio.sleep(2)
        async with Foreground(redis) as foreground:
            applied = await migrate(redis_port(redis), "apply", "--yes")
        tell("migrate.foreground", keys=keys, **applied, **foreground.report(), idle=idle.report())


async def far_away(tenants: int, *, milliseconds_each_way: float) -> None:
    """The same over a slow line."""
    async with redis_server() as redis:
        keys, filled = await fill(redis, tenants=tenants)
        async with FaultProxy(redis_port(redis)) as proxy:
            proxy.delay(milliseconds=milliseconds_each_way)
            applied = await migrate(proxy.port, "apply", "--yes")
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
    await beside_a_server(args.tenants // 2)
    await far_away(5_000, milliseconds_each_way=1.0)


if __name__ == "__main__":
    asyncio.run(main())
