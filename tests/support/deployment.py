"""`outpost serve` over servers of its own: Redis, RabbitMQ and Postgres or ClickHouse.

with running_servers(folder) as servers:                     # once for many tests; each may be stopped and started
    async with deployment(servers, folder) as outpost:       # queues, keys and tables of one test
        await outpost.start()
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from outpost.clients.postgres import Target, connect
from tests.support.clickhouse import ClickHouseDatabase, ClickHouseServer, running_clickhouse
from tests.support.clickhouse_log import opened as opened_clickhouse
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.process import OutpostProcess
from tests.support.rabbitmq import RabbitMQServer, running_rabbitmq
from tests.support.rabbitmq_queue import opened_channel
from tests.support.servers.redis import RedisServer

T = TypeVar("T")

_DURABLE = {"appendonly": "yes", "appendfsync": "always"}
_DEAD_RETRIES = "rsmq:deliverymq-retry-dlq"
_LOOKS = 10
_numbers = itertools.count(1)


@dataclass
class Servers:
    """What a deployment runs on. ClickHouse is started by the first who asks for it."""

    redis: RedisServer
    rabbitmq: RabbitMQServer
    postgres: PostgresServer
    _stack: ExitStack
    _thread: ThreadPoolExecutor
    _clickhouse: ClickHouseServer | None = None

    async def do(self, step: Callable[[], T]) -> T:
        """Stop or start a server, or do anything else that takes time, beside the event loop.

        Always in the same thread: a server is made to end with the thread that started it.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, step)

    @property
    def clickhouse(self) -> ClickHouseServer:
        if self._clickhouse is None:
            self._clickhouse = self._stack.enter_context(running_clickhouse())
        return self._clickhouse


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    """Yield servers that keep what they were told over a restart."""
    with ThreadPoolExecutor(max_workers=1) as thread, ExitStack() as stack:
        redis = RedisServer(folder / "redis", settings=_DURABLE)
        rabbitmq_is_up = thread.submit(stack.enter_context, running_rabbitmq())  # it takes longest
        stack.callback(redis.kill)
        redis.start()
        postgres = stack.enter_context(running_postgres())
        yield Servers(redis, rabbitmq_is_up.result(), postgres, stack, thread)


class Deployment:
    """One Outpost, of one process or of several with a role each, and what its stores hold."""

    def __init__(self, servers: Servers, folder: Path, settings: dict[str, str]) -> None:
        self._servers = servers
        self._folder = folder
        self._settings = settings
        self._processes: dict[str, OutpostProcess] = {}

    @property
    def process(self) -> OutpostProcess:
        """The process that serves the API."""
        return self._processes.get("all") or self._processes["api"]

    @property
    def processes(self) -> Sequence[OutpostProcess]:
        return list(self._processes.values())

    def of_role(self, role: str) -> OutpostProcess:
        """Return the process of a role, which may not have been started."""
        if role not in self._processes:
            folder = self._folder / role
            folder.mkdir()
            process = self._processes[role] = OutpostProcess(folder, {**self._settings, "SERVICE": role})
            del process.settings["SQLITE_PATH"]
        return self._processes[role]

    async def start(self, *roles: str) -> None:
        """Start a process for each role, one of role `all` if there are none, after migrating what is new."""
        processes = [self.of_role(role) for role in roles or ("all",)]
        await processes[0].migrate()
        await asyncio.gather(*(process.start() for process in processes))

    async def successes(self) -> set[str]:
        """Return the ids of events with the record of an attempt that succeeded."""
        return {event_id for event_id, _, status in await self.attempts() if status == "success"}

    async def attempts(self) -> list[tuple[str, int, str]]:
        """Return event id, number and status of every attempt on record, oldest first."""
        query = "SELECT event_id, attempt_number, status FROM attempts ORDER BY {}"
        if "POSTGRES_URL" in self._settings:
            async with connect(Target.parse(self._settings["POSTGRES_URL"]), application="tests") as connection:
                return [(row[0], row[1], row[2]) for row in await connection.fetch(query.format("time"))]
        database = ClickHouseDatabase(self._servers.clickhouse.url, self._settings["CLICKHOUSE_DATABASE"])
        async with opened_clickhouse(database) as log:
            return [(row[0], int(row[1]), row[2]) for row in await log.rows(query.format("attempt_time"))]

    async def waiting(self) -> dict[str, int]:
        """Return how many messages each queue holds that nobody has taken."""
        async with opened_channel(self._settings["RABBITMQ_SERVER_URL"]) as channel:
            queues = [await channel.queue_declare(name, passive=True) for name in self._queues()]
        return {queue.name: queue.messages for queue in queues}

    async def until_all_is_lent(self, *, seconds: float = 30) -> None:
        """Wait until no delivery task is left at the broker, nor comes back to it as one that is sent anew."""
        looks = 0
        async with asyncio.timeout(seconds):
            while looks < _LOOKS:
                looks = 0 if (await self.waiting())[self._settings["RABBITMQ_DELIVERY_QUEUE"]] else looks + 1
                await asyncio.sleep(0.05)

    async def dead_letters(self) -> int:
        """Return how much was given up: tasks, attempts and retries."""
        waiting = await self.waiting()
        dead = sum(count for name, count in waiting.items() if name.endswith(".dlq"))
        return dead + self._servers.redis.command("ZCARD", _DEAD_RETRIES)

    def _queues(self) -> list[str]:
        queues = [self._settings["RABBITMQ_DELIVERY_QUEUE"], self._settings["RABBITMQ_LOG_QUEUE"]]
        return [*queues, *(f"{name}.dlq" for name in queues)]

    async def drop_queues(self) -> None:
        async with opened_channel(self._settings["RABBITMQ_SERVER_URL"]) as channel:
            for name in self._queues():
                await channel.queue_delete(name)
            await channel.exchange_delete(self._settings["RABBITMQ_EXCHANGE"])


@asynccontextmanager
async def deployment(
    servers: Servers, folder: Path, *, on_clickhouse: bool = False, **settings: str
) -> AsyncIterator[Deployment]:
    """A deployment of one test; what of it still runs at the end is killed, and what it stored is dropped."""
    number = next(_numbers)
    servers.redis.empty()
    async with AsyncExitStack() as stack:
        wanted = {
            "REDIS_HOST": servers.redis.host,
            "REDIS_PORT": str(servers.redis.port),
            "RABBITMQ_SERVER_URL": servers.rabbitmq.url("%2F"),
            "RABBITMQ_EXCHANGE": f"faults-{number}",
            "RABBITMQ_DELIVERY_QUEUE": f"faults-{number}-delivery",
            "RABBITMQ_LOG_QUEUE": f"faults-{number}-log",
            "TOPICS": "t",
        }
        if on_clickhouse:
            clickhouse = await servers.do(lambda: servers.clickhouse)
            database = stack.enter_context(clickhouse.fresh_database())
            wanted |= database.settings
        else:
            wanted["POSTGRES_URL"] = stack.enter_context(servers.postgres.fresh_database())
        outpost = Deployment(servers, folder, wanted | settings)
        stack.push_async_callback(outpost.drop_queues)
        stack.push_async_callback(_end, outpost)
        yield outpost


async def _end(outpost: Deployment) -> None:
    for process in outpost.processes:
        await process.__aexit__(None, None, None)
