"""What the errors of a SQLite file mean to the rest of Outpost: one table for every store that lives in one."""

from collections.abc import Generator
from contextlib import contextmanager

from outpost.clients.sqlite import DatabaseCorrupted, DatabaseUnavailable
from outpost.domain.errors import StoreCorrupted, StoreUnavailable


@contextmanager
def store_errors() -> Generator[None]:
    """Turn the database's errors into those that the ports promise.

    Raises:
        StoreUnavailable: The file cannot be used now; a write stored nothing.
        StoreCorrupted: The file is damaged.
    """
    try:
        yield
    except DatabaseUnavailable as error:
        raise StoreUnavailable("SQLite", str(error)) from error
    except DatabaseCorrupted as error:
        raise StoreCorrupted("SQLite", str(error)) from error
