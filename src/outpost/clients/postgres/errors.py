"""What can go wrong, by what a caller can do about it.

    PostgresError
    ├── Unavailable           try again later; a statement may or may not have taken effect
    │   └── TimedOut          it took longer than allowed
    ├── AccessDenied          user, password or address are not let in
    ├── DatabaseNotFound      the server has no such database
    ├── PermissionDenied      the user may not do that
    ├── TransactionAborted    a deadlock, conflict or lock timeout; the transaction had no effect: run it again
    ├── DataRejected          a value cannot be stored: a NUL, out of range, too long, of a wrong type
    ├── ConstraintViolated    a key that is taken, a reference to nothing
    └── StatementFailed       the statement itself is wrong, or the schema is another one

Messages hold the address and the first line of what the server said; never the password, nor the rows that Postgres
quotes in its details.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol


class PostgresError(Exception):
    """Something went wrong with a database.

    Attributes:
        address: Host, port and database.
        detail: What the server or the network said.
        sqlstate: The code of the server's error; empty if it came from elsewhere.
        position: Where in the statement, in characters from 1; None if the server did not say.
    """

    sentence = "the database failed"

    def __init__(self, address: str, detail: str = "", *, sqlstate: str = "", position: int | None = None) -> None:
        super().__init__(address, detail)
        self.address = address
        self.detail = detail
        self.sqlstate = sqlstate
        self.position = position

    def __str__(self) -> str:
        code = f" [{self.sqlstate}]" if self.sqlstate else ""
        return f"Postgres at {self.address}: {self.sentence}" + (f": {self.detail}" if self.detail else "") + code


class Unavailable(PostgresError):
    """The server cannot be reached, broke off, or cannot work now (starting, stopping, full, read-only)."""

    sentence = "unavailable"


class TimedOut(Unavailable):
    """It took longer than allowed."""

    sentence = "no answer in time"


class AccessDenied(PostgresError):
    """User, password or address are not let in."""

    sentence = "access denied"


class DatabaseNotFound(PostgresError):
    """The server has no such database."""

    sentence = "no such database"


class PermissionDenied(PostgresError):
    """The user may not do that."""

    sentence = "permission denied"


class TransactionAborted(PostgresError):
    """Another transaction was in the way; this one had no effect."""

    sentence = "the transaction was aborted"


class DataRejected(PostgresError):
    """A value cannot be stored as what it is meant to be."""

    sentence = "a value was rejected"


class ConstraintViolated(PostgresError):
    """A constraint does not hold."""

    sentence = "a constraint was violated"


class StatementFailed(PostgresError):
    """The statement cannot be run as it is."""

    sentence = "the statement failed"


# PostgreSQL, appendix A, "Error Codes": the first two characters are the class. A whole code wins over its class.
_BY_CODE: dict[str, type[PostgresError]] = {
    "25006": Unavailable,  # read-only: a standby, until a fail-over is complete
    "3D000": DatabaseNotFound,
    "42501": PermissionDenied,
    "54000": DataRejected,  # too long for an index, or for anything
    "40001": TransactionAborted,
    "40P01": TransactionAborted,
    "55P03": TransactionAborted,  # lock_timeout
    "57014": TimedOut,  # statement_timeout, or cancelled by an operator
    "58P01": StatementFailed,  # a file that an extension lacks
}
_BY_CLASS: dict[str, type[PostgresError]] = {
    "08": Unavailable,  # connection
    "22": DataRejected,
    "23": ConstraintViolated,
    "28": AccessDenied,
    "40": TransactionAborted,
    "53": Unavailable,  # memory, disk, connections
    "57": Unavailable,  # stopped by an operator
    "58": Unavailable,  # I/O
}


class _Closable(Protocol):
    def is_closed(self) -> bool: ...


@contextmanager
def translated(address: str, connection: _Closable | None = None) -> Generator[None]:
    """Raise what comes out of asyncpg as one of ours.

    Args:
        connection: What is spoken to; None while connecting. While it is open, an OSError is not the server's, and
            asyncpg's complaints about how it is used are faults of the program: both pass as they are.
    """
    import asyncpg  # pyright: ignore[reportMissingTypeStubs]

    try:
        yield
    except asyncpg.PostgresError as error:
        raise _of_the_server(address, error) from None
    except TimeoutError:
        raise TimedOut(address) from None
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if connection is not None and not _is_lost(connection):
            raise
        raise Unavailable(address, _first_line(error)) from None


def _is_lost(connection: _Closable) -> bool:
    import asyncpg  # pyright: ignore[reportMissingTypeStubs]

    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # a pool has already taken back what broke in the block's hands
        return True


def _of_the_server(address: str, error: Exception) -> PostgresError:
    sqlstate = str(getattr(error, "sqlstate", None) or "")
    kind = _BY_CODE.get(sqlstate) or _BY_CLASS.get(sqlstate[:2]) or StatementFailed
    position = str(getattr(error, "position", None) or "")
    # asyncpg raises errors of the server for parameters that it cannot write itself, and then quotes the parameter.
    sent = getattr(error, "severity", None) is not None
    detail = _first_line(error) if sent else "a parameter has no form in Postgres"
    return kind(address, detail, sqlstate=sqlstate, position=int(position) if position.isdigit() else None)


def _first_line(error: Exception) -> str:
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, OSError) and error.strerror:  # a name that nobody knows, a file for TLS that is not there
        return error.strerror.lower()
    return str(error.args[0] if error.args else error).partition("\n")[0]
