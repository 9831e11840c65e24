"""What a process is made of, and what every profile makes in the same way."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import msgspec

from outpost.api.collaborators import Probe
from outpost.config.settings import Settings
from outpost.crypto import Sealer
from outpost.destinations.registry import Registry
from outpost.domain.errors import QueueUnavailable, Unavailable
from outpost.domain.identifiers import EventId, TenantId
from outpost.pipeline.lanes import LaneLimits
from outpost.pipeline.publish import Submit
from outpost.pipeline.retry import ManualRetry
from outpost.ports.clock import Clock
from outpost.ports.ledger import Ledger
from outpost.ports.log_store import LogStore
from outpost.ports.queue import Queue
from outpost.ports.tenant_store import TenantRecords, TenantStore
from outpost.stores.tenant.sealed import SealedTenantStore
from outpost.workers.retention import Retention
from outpost.workers.supervisor import Worker

_SETTLING_SECONDS = 3.0
"""At the end, what storing the results of the last deliveries may take."""
_PROBE = "readyz"
_KEY_TRIAL_SECONDS = 5.0
"""How long the start waits for a store that does not answer; the key is then tried before anything is sealed."""

_logger = logging.getLogger("outpost")


class ApiParts(msgspec.Struct, frozen=True, kw_only=True):
    """What the API is built on."""

    tenants: TenantStore
    log: LogStore
    ledger: Ledger
    registry: Registry
    publish: Submit
    manual_retry: ManualRetry


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """A process.

    Attributes:
        api: None in a process that serves none.
        probes: The stores that it uses, for `/readyz`.
    """

    api: ApiParts | None
    probes: Mapping[str, Probe]
    workers: Sequence[Worker]


async def open_tenants(settings: Settings, records: TenantRecords) -> TenantStore:
    """Return the tenant store over a driver; the log says so if the key is not that of what is stored."""
    general = settings.general
    if general.allow_lost_credentials:
        _logger.warning(
            "ALLOW_LOST_CREDENTIALS is on: with a wrong AES_ENCRYPTION_SECRET deliveries fail instead of waiting; take "
            "it away when the destinations have new credentials"
        )
    tenants = SealedTenantStore(
        records, Sealer(general.aes_encryption_secret), allow_lost=general.allow_lost_credentials
    )
    with suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(_KEY_TRIAL_SECONDS):
            await tenants.try_key()
    return tenants


def lane_limits(settings: Settings, *, processes: int = 1) -> LaneLimits:
    """Return how much this process may deliver at once.

    Args:
        processes: Among which the configured total is divided.
    """
    pipeline = settings.pipeline
    drain = pipeline.delivery_timeout_seconds + _SETTLING_SECONDS
    if pipeline.delivery_max_concurrency is None:
        return LaneLimits(drain_seconds=drain)
    total = max(1, pipeline.delivery_max_concurrency // processes)
    return LaneLimits(
        in_flight=total, lane_in_flight=total, first_window=max(1, min(total // 2, 16)), drain_seconds=drain
    )


def retention_workers(settings: Settings, log: LogStore, clock: Clock) -> Sequence[Worker]:
    """Return the worker that deletes what is older than the configured days, if there are any."""
    days = settings.pipeline.log_retention_days
    if not days:
        return ()
    return (Worker(names=("log-retention",), run=Retention(log=log, keep=timedelta(days=days), clock=clock).run),)


def tenants_probe(tenants: TenantStore) -> Probe:
    return lambda: tenants.tenant(TenantId(_PROBE))


def queue_probe(queue: Queue) -> Probe:
    """Ask a queue that is in use whether it reaches its broker."""

    async def look() -> None:
        if queue.trouble is not None:
            raise QueueUnavailable("deliveries", queue.trouble)

    return look


def log_probe(log: LogStore) -> Probe:
    return lambda: log.event(EventId(_PROBE))
