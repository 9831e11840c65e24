"""What the errors of a ClickHouse database mean to the rest of Outpost: one table for every store that lives in one."""

from collections.abc import Generator
from contextlib import contextmanager

from outpost.clients.clickhouse import ClickHouseError
from outpost.domain.errors import StoreUnavailable


@contextmanager
def store_errors() -> Generator[None]:
    """Turn the database's errors into the one that the ports promise.

    A value that the database rejects on its way in is dealt with inside the block. All else is the database's trouble,
    however permanent it looks: a missing table or permission is there when an operator has looked.

    Raises:
        StoreUnavailable: The database cannot be used now. Of a statement that writes, nothing, a part or all was
            stored.
    """
    try:
        yield
    except ClickHouseError as error:
        raise StoreUnavailable("ClickHouse", str(error)) from error
