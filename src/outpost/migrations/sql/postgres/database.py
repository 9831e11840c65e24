"""Connections to the database of the line, and its errors in the words of migrations."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace

from outpost.clients.postgres import (
    Connection,
    PermissionDenied,
    PostgresError,
    Target,
    TransactionAborted,
    Unavailable,
    connect,
)
from outpost.clients.postgres.errors import AccessDenied, DatabaseNotFound, translated
from outpost.migrations.errors import MigrationError, Refused, Unreachable

APPLICATION = "outpost migrate"
_READ_ONLY = "25006"
_READING = """
SET LOCAL lock_timeout = '5s';
SET LOCAL idle_in_transaction_session_timeout = '60s'"""


class Database:
    """Where the line is.

    Attributes:
        address: For people; without secrets.
    """

    def __init__(self, target: Target) -> None:
        # A pooler may give the next statement another session, and another client this one's statements.
        self._target = replace(target, keeps_statements=False)
        self.address = target.address

    @property
    def path(self) -> str:
        """The path of the connection URL, which the original tool's lock is made of."""
        return f"/{self._target.database}" if self._target.database else ""

    @asynccontextmanager
    async def connected(self, application: str = APPLICATION) -> AsyncGenerator[Connection]:
        """Raises Unreachable, Refused or MigrationError for whatever goes wrong in the block."""
        with in_words_of_migrations():
            async with connect(self._target, application=application) as connection:
                yield connection

    def translating(self, connection: Connection) -> AbstractContextManager[None]:
        """Raise native errors in the block as the client's, for code that tells them apart before `connected` ends."""
        return translated(self.address, connection)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Connection]:
        """One view of the database, in a transaction that cannot write and waits for no lock for long."""
        async with self.connected() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(_READING)
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[Connection]:
        """One short transaction."""
        async with self.connected() as connection, connection.transaction():
            await connection.execute(_READING)
            yield connection


@contextmanager
def in_words_of_migrations() -> Generator[None]:
    """Raise errors of the client as those of migrations."""
    try:
        yield
    except PostgresError as error:
        raise as_migration_error(error) from None


def as_migration_error(error: PostgresError) -> MigrationError:
    if error.sqlstate == _READ_ONLY:
        return Refused(f"{error}; name the primary server in POSTGRES_URL")
    match error:
        case PermissionDenied():
            return Refused(f"{error}; `outpost migrate doctor` shows the GRANT that is missing")
        case AccessDenied():
            return Refused(f"{error}; correct user and password in POSTGRES_URL")
        case DatabaseNotFound():
            return Refused(f"{error}; create it, or name another in POSTGRES_URL")
        case Unavailable() if not error.sqlstate:  # nobody answered: it is no server's own trouble
            return Unreachable(f"{error}; check POSTGRES_URL, that the server runs, and the network from here")
        case Unavailable() | TransactionAborted():
            return Unreachable(str(error))
        case _:
            return MigrationError(str(error))
