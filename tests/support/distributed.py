"""The stores of the distributed profile, each set empty and of its own at servers that are shared, and what runs on it.

servers      one Redis, one virtual host of RabbitMQ, one Postgres cluster
a set        a database number, queues of its own name and a database there
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from outpost.clients.amqp import Properties
from outpost.clients.postgres import Row, Target, connect
from tests.support.postgres import PostgresServer
from tests.support.process import OutpostProcess
from tests.support.rabbitmq_queue import opened_channel, take
from tests.support.servers.redis import RedisServer

ROLES = ("api", "delivery", "log")


class Stores:
    """One set of stores; nothing is in them at first, not even the queues."""

    def __init__(self, redis: RedisServer, database: int, broker_url: str, postgres_url: str) -> None:
        self.broker_url = broker_url
        self.exchange = f"exchange-{database}"
        self.delivery_queue = f"delivery-{database}"
        self.log_queue = f"log-{database}"
        self._redis = redis
        self._database = database
        self.settings = {
            "REDIS_HOST": redis.host,
            "REDIS_PORT": str(redis.port),
            "REDIS_DATABASE": str(database),
            "RABBITMQ_SERVER_URL": broker_url,
            "RABBITMQ_EXCHANGE": self.exchange,
            "RABBITMQ_DELIVERY_QUEUE": self.delivery_queue,
            "RABBITMQ_LOG_QUEUE": self.log_queue,
            "POSTGRES_URL": postgres_url,
        }

    def redis(self, *command: str) -> Any:
        """Run one command in the database of this set."""
        return self._redis.commands([("SELECT", self._database), command])[1]

    async def rows(self, query: str) -> Sequence[Row]:
        """Read the database."""
        async with connect(Target.parse(self.settings["POSTGRES_URL"]), application="tests") as connection:
            return await connection.fetch(query)

    async def send(self, queue: str, *bodies: bytes) -> None:
        """Put messages into a queue as another program does."""
        async with opened_channel(self.broker_url) as channel:
            await channel.confirm_select()
            publisher = channel.publisher(
                exchange=self.exchange, routing_key=queue, mandatory=True, properties=Properties()
            )
            await publisher.send(bodies)

    async def take(self, queue: str, count: int) -> Sequence[bytes]:
        """Wait for so many messages and take them out of a queue."""
        async with asyncio.timeout(20):
            return await take(self.broker_url, queue, count)

    async def state(self, queue: str) -> tuple[int, int]:
        """Return how many messages of a queue nobody holds, and how many consumers it has."""
        async with opened_channel(self.broker_url) as channel:
            _, messages, consumers = await channel.queue_declare(queue, passive=True)
            return messages, consumers

    async def until_all_is_delivered(self, *, consumers: int) -> None:
        """Wait until no task waits, with so many processes taking them; none may be among the dead letters."""
        async with asyncio.timeout(20):
            while await self.state(self.delivery_queue) != (0, consumers):
                await asyncio.sleep(0.05)
        assert await self.state(f"{self.delivery_queue}.dlq") == (0, 0)


class StoreServers:
    """The servers, and sets of stores at them."""

    def __init__(self, redis: RedisServer, broker_url: str, postgres: PostgresServer) -> None:
        self._redis, self._broker_url, self._postgres = redis, broker_url, postgres
        self._numbers = itertools.count()

    @contextmanager
    def fresh_stores(self) -> Iterator[Stores]:
        with self._postgres.fresh_database() as postgres_url:
            yield Stores(self._redis, next(self._numbers), self._broker_url, postgres_url)


class Fleet:
    """The processes of one Outpost.

    Attributes:
        processes: All of them, by role; the first serves the API.
    """

    def __init__(self, stores: Stores, folder: Path, settings: Mapping[str, str]) -> None:
        self.stores = stores
        self.processes: dict[str, OutpostProcess] = {}
        self._folder = folder
        self._settings = settings
        self._numbers = itertools.count(1)

    @property
    def api(self) -> OutpostProcess:
        return next(iter(self.processes.values()))

    def a_process(self, role: str) -> OutpostProcess:
        """Return one more process, which is not started."""
        folder = self._folder / f"process-{next(self._numbers)}"
        folder.mkdir()
        return OutpostProcess(folder, {"SERVICE": role, **self._settings}, stores=self.stores.settings)

    @asynccontextmanager
    async def joined_by(self, role: str) -> AsyncIterator[OutpostProcess]:
        """Run one more process for a while."""
        async with self.a_process(role) as process:
            await process.start()
            yield process
            assert await process.terminate() == 0

    async def publish(self, tenant: str, **fields: Any) -> dict[str, Any]:
        body = {"tenant_id": tenant, "topic": "user.created", "data": {}, **fields}
        answer = await self.api.api("POST", "/publish", body)
        assert answer.status == 202, answer.body
        return answer.json()

    async def retry(self, event_id: str, destination_id: str) -> int:
        wanted = {"event_id": event_id, "destination_id": destination_id}
        return (await self.api.api("POST", "/retry", wanted)).status

    def planned_retries(self, event_id: str) -> Sequence[bytes]:
        """Return what Redis holds for the retries of an event that wait."""
        queues = self.stores.redis("KEYS", "*rsmq:deliverymq-retry:Q")
        contents: list[bytes] = [value for queue in queues for value in self.stores.redis("HVALS", queue.decode())]
        return [body for body in contents if f'"EventID":"{event_id}"'.encode() in body]

    async def attempts(self, event_id: str, count: int) -> Sequence[dict[str, Any]]:
        """Wait until so many attempts of an event are logged; return them in order of their number."""
        async with asyncio.timeout(20):
            while True:
                models = (await self.api.api("GET", f"/attempts?event_id={event_id}&limit=100")).json()["models"]
                if len(models) >= count:
                    return sorted(models, key=lambda model: model["attempt_number"])
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running_fleet(
    stores: Stores, folder: Path, roles: Sequence[str] = ("all",), **settings: str
) -> AsyncIterator[Fleet]:
    """Migrate the stores and start a process for each role; killed at the end if they still run."""
    async with AsyncExitStack() as stack:
        fleet = Fleet(stores, folder, settings)
        for role in roles:
            process = await stack.enter_async_context(fleet.a_process(role))
            fleet.processes[role if role not in fleet.processes else f"another {role}"] = process
        await fleet.api.migrate()
        await asyncio.gather(*[process.start() for process in fleet.processes.values()])
        yield fleet
