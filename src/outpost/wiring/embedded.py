"""The embedded profile: everything in one process over one SQLite file."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec

from outpost.clients.sqlite import Database, DatabaseBusy, FileLock
from outpost.config.settings import Settings
from outpost.crypto import Sealer
from outpost.destinations.registry import Registry
from outpost.domain.errors import ConfigurationError
from outpost.domain.identifiers import id_minter
from outpost.pipeline.deliver import Deliverer
from outpost.pipeline.gather import Gatherer
from outpost.pipeline.lanes import LaneLimits, Lanes
from outpost.pipeline.match import Matcher
from outpost.pipeline.publish import PublishCommand, Publisher, PublishResult
from outpost.pipeline.retry import ManualRetry
from outpost.pipeline.settle import Settler
from outpost.ports.clock import Clock
from outpost.ports.ledger import Ledger
from outpost.ports.log_store import LogStore
from outpost.ports.tenant_store import TenantStore
from outpost.stores.ledger.sqlite import open_ledger
from outpost.stores.log.sqlite import SQLiteLogStore
from outpost.stores.sqlite_errors import store_errors
from outpost.stores.tenant.sealed import SealedTenantStore
from outpost.stores.tenant.sqlite import SQLiteTenantRecords
from outpost.wiring.providers import open_registry
from outpost.workers.retention import Retention
from outpost.workers.supervisor import Worker

_SETTLING_SECONDS = 3.0
"""At the end, what storing the results of the last deliveries may take."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a process of the API and delivery roles is made of."""

    tenants: TenantStore
    log: LogStore
    ledger: Ledger
    registry: Registry
    matcher: Matcher
    publishing: Gatherer[PublishCommand, PublishResult]
    manual_retry: ManualRetry
    workers: Sequence[Worker]


@asynccontextmanager
async def open_embedded(settings: Settings, clock: Clock) -> AsyncGenerator[Parts]:
    """Open the file and build the pipeline on it; closed in reverse order.

    Raises:
        ConfigurationError: Another process holds the file.
        StoreUnavailable, StoreCorrupted: The file cannot be used.
    """
    async with AsyncExitStack() as stack:
        path = Path(settings.sqlite.path)
        _lock(stack, path)
        with store_errors():
            database = await stack.enter_async_context(Database(path))
        tenants = SealedTenantStore(SQLiteTenantRecords(database), Sealer(settings.general.aes_encryption_secret))
        log = SQLiteLogStore(database)
        ledger = await open_ledger(
            database,
            clock=clock,
            duplicate_window=timedelta(seconds=settings.pipeline.publish_idempotency_key_ttl),
            backlog_limit=settings.pipeline.backlog_limit,
        )
        registry = await stack.enter_async_context(open_registry(settings))
        matcher = Matcher()
        deliverer = Deliverer(
            tenants=tenants,
            senders=registry,
            retry_policy=settings.retry.policy(),
            mint_attempt_id=id_minter(settings.id_style, settings.ids.attempt_prefix),
            clock=clock,
        )
        lanes = Lanes(
            queue=ledger,
            deliver=deliverer.deliver,
            settle=Settler(ledger).settle,
            clock=clock,
            limits=_limits(settings),
        )
        publisher = Publisher(
            tenants=tenants,
            matcher=matcher,
            ledger=ledger,
            lanes=lanes,
            topics=settings.topics.names,
            mint_event_id=id_minter(settings.id_style, settings.ids.event_prefix),
            clock=clock,
        )
        yield Parts(
            tenants=tenants,
            log=log,
            ledger=ledger,
            registry=registry,
            matcher=matcher,
            publishing=await stack.enter_async_context(Gatherer(publisher.publish_many)),
            manual_retry=ManualRetry(
                tenants=tenants, log=log, ledger=ledger, matcher=matcher, clock=clock, on_task=lanes.tasks_wait
            ),
            workers=[
                Worker(names=("deliverymq-consumer", "retrymq-consumer"), run=lanes.run),
                *_retention(settings, log, clock),
            ],
        )


def _lock(stack: AsyncExitStack, path: Path) -> None:
    try:
        stack.enter_context(FileLock(path))
    except DatabaseBusy as error:
        raise ConfigurationError(
            f"{error}. The embedded profile is one process: stop the other one, or configure the distributed profile "
            "(REDIS_HOST=...) to run several"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"SQLITE_PATH {path}: {error.strerror or error}") from None


def _limits(settings: Settings) -> LaneLimits:
    pipeline = settings.pipeline
    drain = pipeline.delivery_timeout_seconds + _SETTLING_SECONDS
    total = pipeline.delivery_max_concurrency
    if total is None:
        return LaneLimits(drain_seconds=drain)
    return LaneLimits(
        in_flight=total, lane_in_flight=total, first_window=max(1, min(total // 2, 16)), drain_seconds=drain
    )


def _retention(settings: Settings, log: LogStore, clock: Clock) -> Sequence[Worker]:
    days = settings.pipeline.log_retention_days
    if not days:
        return ()
    return (Worker(names=("log-retention",), run=Retention(log=log, keep=timedelta(days=days), clock=clock).run),)
