"""What the errors of Redis mean to the rest of Outpost: one table for every store that lives in it."""

from collections.abc import Generator
from contextlib import contextmanager

from outpost.clients.redis import RedisError
from outpost.domain.errors import StoreUnavailable


@contextmanager
def redis_errors() -> Generator[None]:
    """Turn the client's errors into the one that the ports promise.

    An answer that is an error (no memory left, read-only, a key of another type) counts like a server that is away: it
    may end once a person has looked, and one such key must not stop the process that serves all the others.

    Raises:
        StoreUnavailable: Nothing was stored, with one exception that no client can tell apart: a connection that was
            lost between a write and its answer. Then the write happened or did not, each wholly.
    """
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable("Redis", str(error)) from error
