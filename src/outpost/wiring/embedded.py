"""The embedded profile: everything in one process over one SQLite file."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from outpost.clients.sqlite import Database, DatabaseBusy, FileLock
from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError
from outpost.domain.identifiers import id_minter
from outpost.pipeline.deliver import Deliverer
from outpost.pipeline.gather import Gatherer
from outpost.pipeline.lanes import Lanes
from outpost.pipeline.match import Matcher
from outpost.pipeline.publish import Publisher
from outpost.pipeline.retry import ManualRetry
from outpost.pipeline.settle import Settler
from outpost.ports.clock import Clock
from outpost.stores.ledger.sqlite import open_ledger
from outpost.stores.log.sqlite import SQLiteLogStore
from outpost.stores.sqlite_errors import store_errors
from outpost.stores.tenant.sqlite import SQLiteTenantRecords
from outpost.wiring.parts import ApiParts, Parts, lane_limits, log_probe, open_tenants, retention_workers, tenants_probe
from outpost.wiring.providers import open_registry
from outpost.wiring.publish_queue import publish_workers
from outpost.workers.supervisor import Worker


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
        tenants = await open_tenants(settings, SQLiteTenantRecords(database))
        log = SQLiteLogStore(database)
        retry_policy = settings.retry.policy()
        ledger = await open_ledger(
            database,
            clock=clock,
            duplicate_window=timedelta(seconds=settings.pipeline.publish_idempotency_key_ttl),
            backlog_limit=settings.pipeline.backlog_limit,
            longest_wait=retry_policy.longest_wait,
        )
        registry = await stack.enter_async_context(open_registry(settings))
        matcher = Matcher()
        deliverer = Deliverer(
            tenants=tenants,
            senders=registry,
            retry_policy=retry_policy,
            mint_attempt_id=id_minter(settings.id_style, settings.ids.attempt_prefix),
            clock=clock,
        )
        lanes = Lanes(
            queue=ledger,
            deliver=deliverer.deliver,
            settle=Settler(ledger).settle,
            clock=clock,
            limits=lane_limits(settings),
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
        publishing = await stack.enter_async_context(Gatherer(publisher.publish_many))
        yield Parts(
            api=ApiParts(
                tenants=tenants,
                log=log,
                ledger=ledger,
                registry=registry,
                publish=publishing.submit,
                manual_retry=ManualRetry(
                    tenants=tenants, log=log, ledger=ledger, matcher=matcher, clock=clock, on_task=lanes.tasks_wait
                ),
            ),
            probes={"tenants": tenants_probe(tenants), "log": log_probe(log)},
            workers=[
                Worker(names=("deliverymq-consumer", "retrymq-consumer"), run=lanes.run),
                *retention_workers(settings, log, clock),
                *await publish_workers(stack, settings, publishing.submit),
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
