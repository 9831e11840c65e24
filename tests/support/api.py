"""The HTTP API as a real server on a free port of this process, over memory stores and destinations that only pretend.

The stores are the drivers for tests, the clock stands still unless it is moved, and what a delivery comes to is said by
the test. Everything between the socket and the stores is what `outpost serve` runs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from outpost.api.app import create_app
from outpost.api.errors import refusal
from outpost.api.protocol import IDLE_PATIENCE, REQUEST_PATIENCE, protocol_class
from outpost.api.publish_road import PublishRoad
from outpost.api.routes.publish import decode_publish, encode_published
from outpost.api.server import HttpServer
from outpost.clients.http import HttpClient
from outpost.crypto import Sealer
from outpost.destinations.egress import EgressPolicy
from outpost.destinations.registry import Registry
from outpost.destinations.webhook.provider import WebhookProvider
from outpost.destinations.webhook.settings import WebhookSettings
from outpost.domain.attempt import Attempt, AttemptStatus
from outpost.domain.delivery import DeliveryResult, DeliveryTask
from outpost.domain.destination import Destination
from outpost.domain.identifiers import EventId, TenantId, id_minter
from outpost.domain.retry_policy import RetryPolicy
from outpost.management.destinations import Destinations
from outpost.management.tenants import Tenants
from outpost.pipeline.deliver import Deliverer
from outpost.pipeline.gather import Gatherer
from outpost.pipeline.lanes import LaneLimits, Lanes
from outpost.pipeline.match import Matcher
from outpost.pipeline.publish import PublishCommand, Publisher, PublishResult
from outpost.pipeline.retry import ManualRetry
from outpost.pipeline.settle import Settler
from outpost.ports.provider import Sender
from outpost.stores.ledger.memory import MemoryLedger
from outpost.stores.log.memory import MemoryLog, MemoryLogStore
from outpost.stores.tenant.memory import MemoryTenantRecords
from outpost.stores.tenant.sealed import SealedTenantStore
from tests.support.builders import START
from tests.support.clock import SetClock
from tests.support.http import Answer, call
from tests.support.vault import VaultProvider

API_KEY = "key"
JWT_SECRET = "test-jwt-secret"
TOPICS = ("user.created", "user.updated", "user.deleted")

DELIVERED = DeliveryResult(status=AttemptStatus.SUCCESS, code="200", response_data=b'{"status":200,"body":"ok"}')
REFUSED = DeliveryResult(status=AttemptStatus.FAILED, code="connection_refused")


@dataclass(kw_only=True)
class Options:
    """How the server under test is set up."""

    api_key: str = API_KEY
    allow_open: bool = False
    deployment_id: str = ""
    topics: Sequence[str] = TOPICS
    wildcards: bool = False
    destination_limit: int = 20
    event_prefix: str = ""
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
    max_body_bytes: int = 10 * 1024 * 1024
    trusted_proxies: Sequence[str] = ()
    patience: float = REQUEST_PATIENCE
    idle: float = IDLE_PATIENCE
    health: Mapping[str, bool] = field(default_factory=lambda: {"http-server": True, "retrymq-consumer": True})


class Receivers:
    """Stands in for every destination: remembers what it was sent, and answers what the test said."""

    def __init__(self) -> None:
        self.answers: dict[str, DeliveryResult] = {}
        self.received: list[DeliveryTask] = []

    def sender(self, destination: Destination) -> Sender:
        return self

    async def send(self, task: DeliveryTask, *, now: datetime) -> DeliveryResult:
        self.received.append(task)
        return self.answers.get(task.destination_id, DELIVERED)

    async def close(self) -> None: ...


class _WatchedLog(MemoryLog):
    """A log that tells when an attempt is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def remember_attempt(self, attempt: Attempt) -> None:
        super().remember_attempt(attempt)
        self.changed.set()


class InProcessOutpost:
    """One server and what it works with."""

    def __init__(self, options: Options) -> None:
        self.port = 0
        self.migrated = True
        self.options = options
        self.clock = SetClock(START)
        self.log = _WatchedLog()
        self.ledger = MemoryLedger(log=self.log, clock=self.clock)
        self.receivers = Receivers()
        self.store = SealedTenantStore(MemoryTenantRecords(), Sealer("test-aes-secret"))

    async def is_migrated(self) -> bool:
        return self.migrated

    def report(self) -> tuple[bool, Mapping[str, bool]]:
        """The health of a process."""
        return all(self.options.health.values()), self.options.health

    async def api(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """Call the API as the operator, or with the `token` that is given; None sends none."""
        return await call(self.port, method, "/api/v1" + path, body, **{"token": API_KEY, **options})

    async def tenant(self, tenant_id: str = "t1") -> str:
        """Create a tenant and return a token of it."""
        created = await self.api("PUT", f"/tenants/{tenant_id}")
        assert created.status == 201, created.body
        return str((await self.api("GET", f"/tenants/{tenant_id}/token")).json()["token"])

    async def webhook(self, destination_id: str, tenant_id: str = "t1", **fields: Any) -> dict[str, Any]:
        """Create a destination of an existing tenant, for `user.created` unless another topic is named."""
        wanted = a_webhook(id=destination_id, **fields)
        answer = await self.api("POST", f"/tenants/{tenant_id}/destinations", wanted)
        assert answer.status == 201, answer.body
        return answer.json()

    async def publish(self, event_id: str = "e1", **fields: Any) -> dict[str, Any]:
        """Publish an event of topic `user.created` for tenant t1, wait for its deliveries, and return the answer."""
        before = len(self.log.attempts)
        answer = await self.api("POST", "/publish", a_publish(id=event_id, **fields))
        assert answer.status == 202, answer.body
        published = answer.json()
        if not published["duplicate"]:
            await self.attempted(before + len(published["destination_ids"]))
        return published

    async def attempted(self, count: int) -> None:
        """Wait until so many attempts are on record."""
        async with asyncio.timeout(10):
            while len(self.log.attempts) < count:
                self.log.changed.clear()
                await self.log.changed.wait()


def a_webhook(**fields: Any) -> dict[str, Any]:
    return {"type": "webhook", "topics": ["user.created"], "config": {"url": "https://example.com/hook"}, **fields}


def a_publish(**fields: Any) -> dict[str, Any]:
    return {"tenant_id": "t1", "topic": "user.created", "data": {"n": 1}, **fields}


def refused(status: int, message: str, data: Any = None) -> dict[str, Any]:
    """The body of an answer that refuses."""
    return {"status": status, "message": message} | ({} if data is None else {"data": data})


def invalid(*sentences: str) -> dict[str, Any]:
    """The body of a 422 about fields."""
    return refused(422, "validation error", list(sentences))


@asynccontextmanager
async def running_api(**options: Any) -> AsyncIterator[InProcessOutpost]:
    """A listening server; `options` are those of `Options`."""
    outpost = InProcessOutpost(Options(**options))
    async with AsyncExitStack() as stack:
        client = HttpClient(check=EgressPolicy(guard=True, allow=()).check)
        stack.push_async_callback(client.aclose)
        registry = await stack.enter_async_context(
            Registry([WebhookProvider(outpost.options.webhook, client), VaultProvider()])
        )
        publishing, retrying = await _pipeline(outpost, stack)
        server = _server(outpost, registry, publishing, retrying)
        await server.start()
        stack.push_async_callback(server.stop)
        outpost.port = server.addresses()[0][1]
        yield outpost


async def _pipeline(
    outpost: InProcessOutpost, stack: AsyncExitStack
) -> tuple[Gatherer[PublishCommand, PublishResult], ManualRetry]:
    deliverer = Deliverer(
        tenants=outpost.store,
        senders=outpost.receivers,
        retry_policy=RetryPolicy(),
        mint_attempt_id=_numbered("atm_"),
        clock=outpost.clock,
    )
    lanes = Lanes(
        queue=outpost.ledger,
        deliver=deliverer.deliver,
        settle=Settler(outpost.ledger).settle,
        clock=outpost.clock,
        limits=LaneLimits(),
    )
    matcher = Matcher()
    publisher = Publisher(
        tenants=outpost.store,
        matcher=matcher,
        ledger=outpost.ledger,
        lanes=lanes,
        topics=outpost.options.topics,
        mint_event_id=id_minter("uuidv4", outpost.options.event_prefix),
        clock=outpost.clock,
    )
    delivering = asyncio.create_task(lanes.run())
    stack.push_async_callback(asyncio.wait, [delivering])
    stack.callback(delivering.cancel)
    publishing = await stack.enter_async_context(Gatherer(publisher.publish_many))
    retrying = ManualRetry(
        tenants=outpost.store,
        log=MemoryLogStore(outpost.log),
        ledger=outpost.ledger,
        matcher=matcher,
        clock=outpost.clock,
        on_task=lanes.tasks_wait,
    )
    return publishing, retrying


def _server(
    outpost: InProcessOutpost,
    registry: Registry,
    publishing: Gatherer[PublishCommand, PublishResult],
    retrying: ManualRetry,
) -> HttpServer:
    options = outpost.options
    app = create_app(
        api_key=options.api_key,
        jwt_secret=JWT_SECRET,
        deployment_id=options.deployment_id,
        allow_open=options.allow_open,
        tenants=Tenants(store=outpost.store, waiting=outpost.ledger, clock=outpost.clock),
        destinations=Destinations(
            store=outpost.store,
            providers=registry,
            waiting=outpost.ledger,
            clock=outpost.clock,
            mint_id=id_minter("uuidv4", "des_"),
            topics=options.topics,
            wildcards=options.wildcards,
            limit=options.destination_limit,
        ),
        providers=registry,
        log=MemoryLogStore(outpost.log),
        publish=publishing.submit,
        retrying=retrying,
        health=outpost,
        probes={
            "tenants": lambda: outpost.store.tenant(TenantId("readyz")),
            "log": lambda: MemoryLogStore(outpost.log).event(EventId("readyz")),
        },
        is_migrated=outpost.is_migrated,
        topics=options.topics,
        clock=outpost.clock,
        max_body_bytes=options.max_body_bytes,
        trusted_proxies=options.trusted_proxies,
    )
    road = PublishRoad(
        api_key=options.api_key,
        max_body=options.max_body_bytes,
        decode=decode_publish,
        submit=publishing.submit,
        encode=encode_published,
        refuse=refusal,
    )
    return HttpServer(
        app=app,
        protocol=protocol_class(road, patience=options.patience, idle=options.idle),
        host="127.0.0.1",
        port=0,
        stop_seconds=1.0,
    )


def _numbered(prefix: str) -> Callable[[], str]:
    numbers = iter(range(1, 1_000_000))
    return lambda: f"{prefix}{next(numbers):06}"
