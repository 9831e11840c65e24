"""What the errors of a SQLite file mean to the rest of Outpost: one table for every store that lives in one."""

from collections.abc import Awaitable
from typing import TypeVar

from outpost.clients.sqlite import DatabaseCorrupted, DatabaseUnavailable
from outpost.domain.errors import StoreCorrupted, StoreUnavailable

T = TypeVar("T")


async def answer(call: Awaitable[T]) -> T:
    """Await a `read` or `write` of a `Database`.

    Raises:
        StoreUnavailable: The file cannot be used now; a write stored nothing.
        StoreCorrupted: The file is damaged.
    """
    try:
        return await call
    except DatabaseUnavailable as error:
        raise StoreUnavailable("SQLite", str(error)) from error
    except DatabaseCorrupted as error:
        raise StoreCorrupted("SQLite", str(error)) from error
