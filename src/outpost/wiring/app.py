"""A running Outpost: parts, HTTP server and workers, from the first log line to the last."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import assert_never

import msgspec

from outpost.api.address import EVERY_INTERFACE
from outpost.api.dev_receiver import DevReceiver
from outpost.api.protocol import protocol_class
from outpost.api.server import HttpServer
from outpost.config.settings import Settings
from outpost.config.summary import summary
from outpost.domain.errors import ConfigurationError
from outpost.ports.clock import system_clock
from outpost.wiring.http import build_app, publish_road
from outpost.wiring.parts import Parts
from outpost.wiring.process import prepare, run_in_loop, settle_memory, stop_signal
from outpost.wiring.processes import become_one_of_many
from outpost.wiring.receiver import signature_verdict
from outpost.workers.processes import Child
from outpost.workers.supervisor import Supervisor

_logger = logging.getLogger("outpost")

Announce = Callable[[int], Awaitable[None]]
"""Told the port once requests are answered."""


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How this process differs from a plain server.

    Attributes:
        host: Address to listen on, or `EVERY_INTERFACE`.
        dev_receiver: Serve `/dev/receiver`.
        announce: Called when the server is ready.
        hopeless: The exit code of a process that need not be started again.
    """

    host: str = EVERY_INTERFACE
    dev_receiver: bool = False
    announce: Announce | None = None
    hopeless: int | None = None


def serve(settings: Settings, options: ServeOptions) -> int:
    """Run until SIGTERM or SIGINT, then end cleanly.

    With several processes it returns in each of them.

    Returns:
        The exit code, unless an error says more.

    Raises:
        ConfigurationError: The settings do not allow a start.
        StoreCorrupted: Stored data is damaged.
    """
    _logger.info("starting outpost", extra={"fields": summary(settings)})
    prepare()
    child = None
    if settings.general.workers > 1:
        end = become_one_of_many(settings, host=options.host, hopeless=options.hopeless)
        if not isinstance(end, Child):
            return end
        child = end
    run_in_loop(_serve(settings, options, child))
    return 0


async def _serve(settings: Settings, options: ServeOptions, child: Child | None) -> None:
    stop = stop_signal(lifeline=child and child.lifeline)
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(_open_parts(settings))
        supervisor = Supervisor(parts.workers)
        server = _server(settings, options, parts, supervisor, shares_port=child is not None)
        await server.start()
        working = asyncio.create_task(supervisor.run())
        stopping = asyncio.create_task(stop.wait())
        try:
            host, port = server.addresses()[0]
            supervisor.note("http-server", running=True)
            _logger.info("http server listening", extra={"fields": {"host": host, "port": port}})
            settle_memory()
            if options.announce is not None:
                await options.announce(port)
            if child is not None:
                child.tell_ready()
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
            _logger.info("shutting down")
        finally:
            stopping.cancel()
            supervisor.note("http-server", running=False)
            await server.stop()
            working.cancel()
            await asyncio.wait([working, stopping])
        if not working.cancelled():
            working.result()
    _logger.info("outpost shutdown complete")


def _open_parts(settings: Settings) -> AbstractAsyncContextManager[Parts]:
    match settings.profile:
        case "embedded":
            from outpost.wiring.embedded import open_embedded

            return open_embedded(settings, system_clock)
        case "distributed":
            from outpost.wiring.distributed import open_distributed

            return open_distributed(settings, system_clock)
        case "postgres":
            raise ConfigurationError(
                "this version does not run on Postgres alone; set SQLITE_PATH for the embedded profile, or REDIS_HOST, "
                "RABBITMQ_SERVER_URL and POSTGRES_URL for the distributed one"
            )
        case _:
            assert_never(settings.profile)


def _server(
    settings: Settings, options: ServeOptions, parts: Parts, supervisor: Supervisor, *, shares_port: bool
) -> HttpServer:
    receiver = None
    if options.dev_receiver and parts.api is not None:
        receiver = DevReceiver(verify=signature_verdict(parts.api), clock=system_clock)
    app = build_app(settings, parts, supervisor, receiver.routes() if receiver else ())
    return HttpServer(
        app=app,
        protocol=protocol_class(publish_road(settings, parts.api)),
        host=options.host,
        port=settings.api.port,
        shares_port=shares_port,
    )
