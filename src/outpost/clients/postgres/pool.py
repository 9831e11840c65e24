"""Connections that are kept and shared."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol, cast

from outpost.clients.postgres.connection import Connection, connect_arguments
from outpost.clients.postgres.errors import translated
from outpost.clients.postgres.target import Target

_CLOSE_SECONDS = 10.0
_IDLE_SECONDS = 300.0


class _NativePool(Protocol):
    async def acquire(self, *, timeout: float | None = None) -> Connection: ...  # noqa: ASYNC109 - asyncpg's own

    async def release(self, connection: Connection) -> None: ...

    async def close(self) -> None: ...

    def terminate(self) -> None: ...


class Pool:
    """At most so many connections to one database, opened when first needed.

    A pool opens while the server is away, and recovers by itself when it is back.
    """

    def __init__(
        self,
        target: Target,
        *,
        application: str,
        max_connections: int | None = None,
        acquire_timeout: float = 10.0,
        command_timeout: float | None = 60.0,
    ) -> None:
        """Make a pool; `async with` opens it.

        Args:
            application: How its sessions are named in the server's list.
            max_connections: Default: what `target` says, else 4, or one for each processor if there are more.
            acquire_timeout: Seconds to wait for a free connection, and for a new one to be made.
            command_timeout: Seconds for each statement; None waits for as long as it takes.
        """
        self._target = target
        self._application = application
        self._max_connections = max_connections or target.max_connections or max(4, os.cpu_count() or 1)
        self._acquire_timeout = acquire_timeout
        self._command_timeout = command_timeout
        self._pool: _NativePool | None = None

    async def __aenter__(self) -> "Pool":
        import asyncpg  # pyright: ignore[reportMissingTypeStubs]

        pool = asyncpg.create_pool(  # pyright: ignore[reportUnknownMemberType]
            **connect_arguments(self._target, self._application),
            min_size=0,
            max_size=self._max_connections,
            max_inactive_connection_lifetime=_IDLE_SECONDS,
            command_timeout=self._command_timeout,
        )
        self._pool = cast(_NativePool, await pool)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Wait for connections in use, not for ever."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lend a connection for the length of the block, in which asyncpg's errors are raised as this package's.

        Raises:
            Unavailable: No connection came free in time, or none could be made.
            PostgresError: Something in the block failed.
        """
        pool = self._pool
        if pool is None:
            raise RuntimeError("the pool is not open")
        address = self._target.address
        with translated(address):
            connection = await pool.acquire(timeout=self._acquire_timeout)
        try:
            with translated(address, connection):
                yield connection
        finally:
            with translated(address):
                await pool.release(connection)
