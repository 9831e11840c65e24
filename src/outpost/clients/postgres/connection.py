"""One connection."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

from outpost.clients.postgres.errors import translated
from outpost.clients.postgres.target import Target
from outpost.clients.postgres.tls import system_trust

CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 5.0


class Row(Protocol):
    """A row: its values by position or column name."""

    def __getitem__(self, key: int | str, /) -> Any: ...

    def __len__(self) -> int: ...

    def values(self) -> Iterable[Any]: ...


class Connection(Protocol):
    """What of asyncpg's connection is used here; parameters are written `$1`.

    One statement at a time.
    """

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement; without `args` any number of them, in one implicit transaction. Returns the last's tag."""
        ...

    async def fetch(self, query: str, *args: Any) -> list[Row]:
        """Return all rows."""
        ...

    async def fetchrow(self, query: str, *args: Any) -> Row | None:
        """Return the first row."""
        ...

    async def fetchval(self, query: str, *args: Any, column: int = 0) -> Any:
        """Return one value of the first row, None if there is no row."""
        ...

    def transaction(self, *, isolation: str | None = None, readonly: bool = False) -> AbstractAsyncContextManager[None]:
        """Begin a transaction, or a savepoint within one; it is rolled back when the block raises."""
        ...

    def cursor(self, query: str, *args: Any, prefetch: int | None = None) -> AsyncIterator[Row]:
        """Stream rows, `prefetch` at a time; inside a transaction only."""
        ...

    def is_closed(self) -> bool: ...

    def get_server_pid(self) -> int:
        """Return the number by which whoever answered the connection calls the session."""
        ...


class NativeConnection(Connection, Protocol):
    """What this package does with a connection and its users do not."""

    async def close(self, *, timeout: float | None = None) -> None: ...  # noqa: ASYNC109 - asyncpg's own


@asynccontextmanager
async def connect(
    target: Target, *, application: str, command_timeout: float | None = None
) -> AsyncGenerator[Connection]:
    """Connect for the length of the block, in which errors of asyncpg are raised as those of this package.

    Args:
        application: How the session is named in the server's list.
        command_timeout: Seconds for each statement; None waits for as long as it takes.

    Raises:
        PostgresError: There is no connection, or something in the block failed.
    """
    import asyncpg  # pyright: ignore[reportMissingTypeStubs]

    with translated(target.address):
        connection = cast(
            NativeConnection,
            await asyncpg.connect(**connect_arguments(target, application), command_timeout=command_timeout),  # pyright: ignore[reportUnknownMemberType]
        )
    try:
        with translated(target.address, connection):
            yield connection
    finally:
        with translated(target.address, connection):
            await connection.close(timeout=_CLOSE_SECONDS)


def connect_arguments(target: Target, application: str) -> dict[str, Any]:
    """Return what asyncpg's `connect` and `create_pool` are called with."""
    arguments: dict[str, Any] = {
        "dsn": target.options_url,
        "host": list(target.hosts),
        "port": list(target.ports) if len(target.ports) > 1 else next(iter(target.ports), None),
        "user": target.user,
        "password": target.password,
        "database": target.database,
        "timeout": target.connect_timeout or CONNECT_SECONDS,
    }
    wanted = {name: value for name, value in arguments.items() if value}
    if (context := system_trust(target)) is not None:
        wanted["ssl"] = context
    if not target.keeps_statements:
        wanted["statement_cache_size"] = 0
    if "application_name" not in target.options:
        wanted["server_settings"] = {"application_name": application}
    return wanted
