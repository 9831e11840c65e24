"""What an error of the Redis client means for a migration."""

from collections.abc import Generator
from contextlib import contextmanager

from outpost.clients.redis import RedisError, RedisReplyError
from outpost.migrations.errors import LeaseLost, MigrationError
from outpost.migrations.redis.errors import redis_errors
from outpost.migrations.run import Run

TRANSIENT_REPLIES = frozenset(("OOM", "MISCONF", "NOREPLICAS", "READONLY"))
"""The server refuses writes for now: memory is full, it cannot save, replicas are away, or another takes its place."""

_KEPT = "what was done is kept, run it again"


@contextmanager
def translated(run: Run | None = None) -> Generator[None]:
    """Raise what the client raises within as a MigrationError of its kind.

    Args:
        run: Learns that a newer run has begun, so that it writes nothing more.
    """
    try:
        yield
    except RedisError as error:
        raise migration_error(error, run) from error


def migration_error(error: RedisError, run: Run | None = None) -> MigrationError:
    """Return the MigrationError for an error of the client."""
    if isinstance(error, RedisReplyError) and error.code == "FENCED":
        if run is not None:
            run.lose(error.message)
        return LeaseLost(f"{error.message}, or the lock was revoked (outpost migrate history tells); {_KEPT}")
    try:
        with redis_errors():
            raise error
    except MigrationError as translated_error:
        return translated_error
