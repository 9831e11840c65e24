"""What the errors of a Postgres database mean to the rest of Outpost: one table for every store that lives in one."""

from collections.abc import Generator
from contextlib import contextmanager

from outpost.clients.postgres import PostgresError
from outpost.domain.errors import StoreUnavailable


@contextmanager
def store_errors() -> Generator[None]:
    """Turn the database's errors into the one that the ports promise.

    A value that the database rejects is dealt with inside the block. All else is the database's trouble and not the
    row's, however permanent it looks: a table without a partition for today takes the row when an operator has looked.

    Raises:
        StoreUnavailable: The database cannot be used now; a statement stored nothing, or all of it if only its answer
            was lost.
    """
    try:
        yield
    except PostgresError as error:
        raise StoreUnavailable("Postgres", str(error)) from error
