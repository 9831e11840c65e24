"""Several processes of one configuration, on one port."""

import gc
import importlib

from outpost.api.address import bound_socket
from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError
from outpost.telemetry.logs import log_from_a_thread
from outpost.workers.processes import Child, Processes

_ENDING_SECONDS = 20.0
"""At the end, what a process may take beside its last deliveries: requests in progress, what it has to store."""

_IMPORTED_LATER = ("uvloop", "uvicorn.protocols.http.httptools_impl", "outpost.wiring.distributed")
"""What a process imports when it starts, other than the drivers that its settings choose."""
_POSTGRES = ("outpost.stores.log.postgres", "outpost.stores.log.postgres_writer")
_CLICKHOUSE = (
    "outpost.stores.log.clickhouse",
    "outpost.stores.log.clickhouse_retention",
    "outpost.stores.log.clickhouse_writer",
    "outpost.stores.log.redis_applied_days",
    "outpost.wiring.clickhouse",
)


def become_one_of_many(settings: Settings, *, host: str, hopeless: int | None) -> Child | int:
    """Start as many processes as the settings say, and keep them running.

    Returns:
        In each of them: who it is. In this one, once all have ended: the exit code.

    Raises:
        ConfigurationError: The address cannot be listened on.
    """
    _check_port(host, settings.api.port)
    _import_for_all(settings)
    stop_seconds = settings.pipeline.delivery_timeout_seconds + _ENDING_SECONDS
    end = Processes(settings.general.workers, hopeless=hopeless, stop_seconds=stop_seconds).run()
    if isinstance(end, Child):
        gc.enable()
        log_from_a_thread()
    return end


def _check_port(host: str, port: int) -> None:
    """Find out whether another program listens there: among processes that share a port, nobody would notice."""
    if port == 0:
        raise ConfigurationError("processes cannot share a port that is not known: set API_PORT, or WORKERS to 1")
    bound_socket(host, port).close()


def _import_for_all(settings: Settings) -> None:
    """Import what every process needs while there is one, and keep the collector from touching it, which copies it."""
    log = _CLICKHOUSE if settings.clickhouse.http_url else _POSTGRES
    for name in (*_IMPORTED_LATER, "outpost.queues.rabbitmq", *log):
        try:
            importlib.import_module(name)
        except ImportError:  # not on this platform, or not installed; whoever needs it will say so
            continue
    gc.disable()
    gc.collect()
    gc.freeze()
