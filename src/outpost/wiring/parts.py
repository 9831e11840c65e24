"""What a process is made of, and what every profile makes in the same way."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from outpost.api.collaborators import Probe
from outpost.config.settings import Settings
from outpost.destinations.registry import Registry
from outpost.domain.errors import QueueUnavailable
from outpost.domain.identifiers import EventId, TenantId
from outpost.pipeline.lanes import LaneLimits
from outpost.pipeline.publish import Submit
from outpost.pipeline.retry import ManualRetry
from outpost.ports.clock import Clock
from outpost.ports.ledger import Ledger
from outpost.ports.log_store import LogStore
from outpost.ports.queue import Queue
from outpost.ports.tenant_store import TenantStore
from outpost.workers.retention import Retention
from outpost.workers.supervisor import Worker

_SETTLING_SECONDS = 3.0
"""At the end, what storing the results of the last deliveries may take."""
_PROBE = "readyz"


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
