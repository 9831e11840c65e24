"""The distributed profile: the roles of one process over Redis, a broker and a log store.

    role       serves    its workers            uses
    api        the API   retrymq-consumer       Redis, the log store; sends to the delivery queue
                         publishmq-consumer     the publish queue, if there is one
    delivery   health    deliverymq-consumer    Redis, the delivery queue; sends to the log queue
                         parkedmq-consumer      Redis; sends to the delivery queue
    log        health    logmq-consumer         the log store, the log queue

`all` is every role in one. Its attempts go straight into the log store; the log queue is read for what processes of
role `delivery` send.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import msgspec

from outpost.clients.redis import Redis
from outpost.config.settings import Settings
from outpost.destinations.registry import Registry
from outpost.domain.identifiers import id_minter
from outpost.migrations.redis.catalogue import READER
from outpost.migrations.redis.keys import ToolKeys
from outpost.pipeline.claimed import ClaimedDeliverer
from outpost.pipeline.contention import patient_with_contention
from outpost.pipeline.deliver import Deliverer
from outpost.pipeline.gather import Gatherer
from outpost.pipeline.intake import TaskIntake
from outpost.pipeline.lanes import Lanes
from outpost.pipeline.ledger import ClaimTimes, ComposedLedger, Record
from outpost.pipeline.log import LogIntake
from outpost.pipeline.match import Matcher
from outpost.pipeline.publish import Publisher
from outpost.pipeline.record import DirectRecorder, QueueRecorder
from outpost.pipeline.retry import ManualRetry
from outpost.pipeline.settle import Settler
from outpost.pipeline.wake import RetryMonitor
from outpost.ports.claims import Claims
from outpost.ports.clock import Clock
from outpost.ports.tenant_store import TenantStore
from outpost.stores.claims.keys import ScopedNames
from outpost.stores.claims.redis import RedisClaims
from outpost.stores.presence.redis import RedisPresence
from outpost.stores.tenant.redis import RedisTenantRecords
from outpost.wiring.log_store import LogParts, open_log
from outpost.wiring.parts import (
    ApiParts,
    Parts,
    lane_limits,
    log_probe,
    open_tenants,
    queue_probe,
    retention_workers,
    tenants_probe,
)
from outpost.wiring.providers import open_registry
from outpost.wiring.publish_queue import publish_workers
from outpost.wiring.queues import Queues, open_queues
from outpost.wiring.redis import key_prefix, redis_client
from outpost.wiring.schedules import open_parking, retry_schedule
from outpost.workers.presence import Presence, this_server
from outpost.workers.supervisor import Worker

_SETTLE_MARGIN = timedelta(seconds=5)
"""How much longer than a delivery may take a claim on it lasts, for storing its result. After a crash, what was in
flight waits until its claim ends. If storing takes longer and the broker is lost meanwhile, it is sent again."""


@asynccontextmanager
async def open_distributed(settings: Settings, clock: Clock) -> AsyncGenerator[Parts]:
    """Open what the roles of this process need and build its parts; closed in reverse order.

    Raises:
        ConfigurationError: The broker lacks something, or a setting cannot work.
        Unavailable: A server cannot be reached.
    """
    role = settings.general.service
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(settings))
        queues = await stack.enter_async_context(open_queues(settings))
        workers = _log_workers(settings, clock, log, queues) if role in ("all", "log") else []
        queue = queues.entries if role == "log" else queues.deliveries
        probes = {"log": log_probe(log.store), "queue": queue_probe(queue)}
        if role == "log":
            yield Parts(api=None, probes=probes, workers=workers)
            return
        road = await _open_road(stack, settings, clock, log, queues)
        probes["tenants"] = tenants_probe(road.tenants)
        workers.append(Worker(names=("presence",), run=road.presence.run))
        if role in ("all", "delivery"):
            workers += await _delivery_workers(stack, settings, clock, road, queues)
        api = None
        if role in ("all", "api"):
            api = await _api(stack, settings, clock, road)
            workers.append(Worker(names=("retrymq-consumer",), run=road.monitor.run))
            workers += await publish_workers(stack, settings, api.publish)
        yield Parts(api=api, probes=probes, workers=workers)


class _Road(msgspec.Struct, frozen=True, kw_only=True):
    """What publishing and delivering share."""

    redis: Redis
    tenants: TenantStore
    registry: Registry
    claims: Claims
    names: ScopedNames
    monitor: RetryMonitor
    ledger: ComposedLedger
    log: LogParts
    presence: Presence


async def _open_road(stack: AsyncExitStack, settings: Settings, clock: Clock, log: LogParts, queues: Queues) -> _Road:
    redis = redis_client(settings.redis, name="outpost")
    stack.push_async_callback(redis.aclose)
    prefix = key_prefix(settings)
    claims = RedisClaims(redis, prefix=prefix)
    names = ScopedNames(settings.pipeline.publish_dedup_scope)
    retries = retry_schedule(settings, clock, redis)
    monitor = RetryMonitor(
        schedule=retries,
        deliveries=queues.deliveries,
        log=log.store,
        longest_sleep=timedelta(milliseconds=settings.retry.effective_poll_backoff_ms),
        clock=clock,
    )
    ledger = ComposedLedger(
        deliveries=queues.deliveries,
        claims=claims,
        names=names,
        times=ClaimTimes(
            remember_published=timedelta(seconds=settings.pipeline.publish_idempotency_key_ttl),
            remember_delivered=timedelta(seconds=settings.pipeline.delivery_idempotency_key_ttl),
        ),
        retries=retries,
        on_planned=monitor.planned,
        record=_record(settings, log, queues),
        log=log.store,
    )
    return _Road(
        redis=redis,
        tenants=await open_tenants(settings, RedisTenantRecords(redis, prefix=prefix)),
        registry=await stack.enter_async_context(open_registry(settings)),
        claims=claims,
        names=names,
        monitor=monitor,
        ledger=ledger,
        log=log,
        presence=Presence(store=RedisPresence(redis, key=ToolKeys(prefix).presence), server=this_server(), form=READER),
    )


def _record(settings: Settings, log: LogParts, queues: Queues) -> Record:
    """Attempts go into the log store here if this process is one that may write there."""
    is_direct = settings.pipeline.direct_log
    if is_direct is None:
        is_direct = settings.general.service == "all"
    return DirectRecorder(log.writer).record if is_direct else QueueRecorder(queues.entries).record


async def _delivery_workers(
    stack: AsyncExitStack, settings: Settings, clock: Clock, road: _Road, queues: Queues
) -> list[Worker]:
    deliverer = Deliverer(
        tenants=road.tenants,
        senders=road.registry,
        retry_policy=settings.retry.policy(),
        mint_attempt_id=id_minter(settings.id_style, settings.ids.attempt_prefix),
        clock=clock,
    )
    claimed = ClaimedDeliverer(
        deliverer=deliverer,
        tenants=road.tenants,
        claims=road.claims,
        names=road.names,
        hold=settings.pipeline.delivery_timeout + _SETTLE_MARGIN,
        clock=clock,
    )
    settler = Settler(road.ledger)
    lanes = Lanes(
        queue=None,
        deliver=(await stack.enter_async_context(claimed)).deliver,
        settle=settler.settle,
        clock=clock,
        limits=lane_limits(settings, processes=settings.general.workers),
    )
    deliveries = queues.deliveries
    parking, unparking = open_parking(settings, clock, road.redis, road.log.store, deliveries, lanes, settler)
    intake = TaskIntake(deliveries=deliveries, lanes=lanes, parking=parking)
    delivering = Worker(names=("deliverymq-consumer",), run=intake.run, is_well=lambda: deliveries.is_connected)
    return [delivering, unparking]


def _log_workers(settings: Settings, clock: Clock, log: LogParts, queues: Queues) -> list[Worker]:
    intake = LogIntake(entries=queues.entries, log=log.writer, batch_size=settings.pipeline.log_batch_size)
    consumer = Worker(names=("logmq-consumer",), run=intake.run, is_well=lambda: queues.entries.is_connected)
    return [consumer, *retention_workers(settings, log.store, clock)]


async def _api(stack: AsyncExitStack, settings: Settings, clock: Clock, road: _Road) -> ApiParts:
    matcher = Matcher()
    publisher = Publisher(
        tenants=road.tenants,
        matcher=matcher,
        ledger=road.ledger,
        lanes=None,
        topics=settings.topics.names,
        mint_event_id=id_minter(settings.id_style, settings.ids.event_prefix),
        clock=clock,
    )
    publishing = await stack.enter_async_context(Gatherer(publisher.publish_many))
    return ApiParts(
        tenants=road.tenants,
        log=road.log.store,
        ledger=road.ledger,
        registry=road.registry,
        publish=patient_with_contention(publishing.submit),
        manual_retry=ManualRetry(
            tenants=road.tenants, log=road.log.store, ledger=road.ledger, matcher=matcher, clock=clock
        ),
    )
