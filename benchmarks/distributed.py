"""The distributed profile from the publisher's request to the receiver: `python -m benchmarks.distributed`.

Starts Redis (append-only file, flushed every second), RabbitMQ (quorum queues) and Postgres (durable), `outpost serve`
with every role, its receiver and its generator, and prints one JSON line per figure. All of it shares the machine's
cores. Takes the options of `benchmarks.pipeline`.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.limits import fixed_work, http_pair, paced_answer
from benchmarks.pipeline import Bench, figures, options, running
from tests.support.postgres import running_postgres
from tests.support.rabbitmq import running_rabbitmq
from tests.support.servers.redis import RedisServer

_DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB", "max_wal_size": "4GB"}
_APPEND_ONLY = {"appendonly": "yes", "appendfsync": "everysec"}
_PROGRAMS = {"beam.smp": "rabbitmq", "redis-server": "redis", "postgres": "postgres"}


class Services:
    """The servers that Outpost uses, and what they have cost so far."""

    def __init__(self, redis: RedisServer, settings: Mapping[str, str]) -> None:
        self._redis = redis
        self.settings = settings

    def cpu_seconds(self) -> dict[str, float]:
        seconds = dict.fromkeys(_PROGRAMS.values(), 0.0)
        for process in psutil.Process().children(recursive=True):
            name = _PROGRAMS.get(process.name())
            if name is not None:
                times = process.cpu_times()
                # A session of Postgres that has ended is counted with the server that started it.
                seconds[name] += times.user + times.system + times.children_user + times.children_system
        return seconds

    def redis_commands(self) -> int:
        text: bytes = self._redis.command("INFO", "stats")
        (line,) = [line for line in text.splitlines() if line.startswith(b"total_commands_processed:")]
        return int(line.partition(b":")[2])

    def measure(self, bench: Bench, name: str, *, seconds: float, **arguments: Any) -> dict[str, Any]:
        """As `Bench.measure`, with what each service cost for an event delivered."""
        cpu, commands = self.cpu_seconds(), self.redis_commands()
        figure = bench.measure(name, seconds=seconds, **arguments)
        delivered = max(figure["delivered"], 1)
        for service, spent in self.cpu_seconds().items():
            figure[f"{service}_cpu_us_per_event"] = round((spent - cpu[service]) / delivered * 1e6, 1)
        figure["redis_commands_per_event"] = round((self.redis_commands() - commands) / delivered, 2)
        return figure


@contextmanager
def services() -> Iterator[Services]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = RedisServer(folder / "redis", settings=_APPEND_ONLY)
        redis.start()
        stack.callback(redis.stop)
        url = stack.enter_context(stack.enter_context(running_postgres(_DURABLE)).fresh_database())
        broker = stack.enter_context(stack.enter_context(running_rabbitmq()).fresh_virtual_host())
        settings = {
            "REDIS_HOST": redis.host,
            "REDIS_PORT": str(redis.port),
            "POSTGRES_URL": url,
            "RABBITMQ_SERVER_URL": broker,
        }
        yield Services(redis, settings)


def main() -> None:
    chosen = options(__doc__)
    with services() as servers, running(servers.settings) as bench:
        print(json.dumps(http_pair(bench.receiver_port)), flush=True)
        print(json.dumps(http_pair(bench.receiver_port, rate=200, seconds=8)), flush=True)
        print(json.dumps(fixed_work()), flush=True)
        print(json.dumps(paced_answer()), flush=True)
        for name, arguments in figures("distributed"):
            if chosen.only in name:
                print(json.dumps(servers.measure(bench, name, seconds=chosen.seconds, **arguments)), flush=True)


if __name__ == "__main__":
    main()
