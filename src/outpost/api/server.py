"""Listens, and ends without cutting anyone off."""

import asyncio
from collections.abc import Sequence

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.server import ServerState

from outpost.api.address import bound_socket
from outpost.api.protocol import PublishProtocol

_BACKLOG = 2048


class HttpServer:
    """One listener. uvicorn brings the connection; its server loop, which wakes ten times a second, is not used."""

    def __init__(
        self,
        *,
        app: ASGIApp,
        protocol: type[PublishProtocol],
        host: str,
        port: int,
        shares_port: bool = False,
        stop_seconds: float = 10.0,
    ) -> None:
        """Args:
        host: An address, or `EVERY_INTERFACE`.
        port: 0 takes a free one; `addresses` tells which.
        shares_port: Other processes of this user may listen on the port too; the system deals connections out to all.
        stop_seconds: How long requests in progress may take once stopping has begun.
        """
        self._config = Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        self._protocol = protocol
        self._host = host
        self._port = port
        self._shares_port = shares_port
        self._stop_seconds = stop_seconds
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._connection_lost = asyncio.Event()

    async def start(self) -> None:
        """Raises ConfigurationError if the address cannot be bound."""
        if not self._config.loaded:
            self._config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self._protocol(self._config, self._state, {}, loop, when_lost=self._connection_lost.set),
            sock=bound_socket(self._host, self._port, shares_port=self._shares_port),
            backlog=_BACKLOG,
        )

    def addresses(self) -> Sequence[tuple[str, int]]:
        """Return host and port of each listening socket; useful with port 0."""
        sockets = self._server.sockets if self._server else ()
        return [each.getsockname()[:2] for each in sockets]

    async def stop(self) -> None:
        """Stop accepting, let requests in progress end, then close what is left."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self._stop_seconds):
                while self._state.connections:
                    self._connection_lost.clear()
                    await self._connection_lost.wait()
        except TimeoutError:
            for connection in list(self._state.connections):
                connection.transport.abort()  # type: ignore[union-attr]  # both kinds of connection have one
        for task in list(self._state.tasks):
            task.cancel()
        if self._state.tasks:
            await asyncio.wait(set(self._state.tasks))
