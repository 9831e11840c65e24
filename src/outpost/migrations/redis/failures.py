"""What an error of the Redis client means for a migration."""

from collections.abc import Generator
from contextlib import contextmanager

from outpost.clients.redis import RedisError, RedisReplyError, RedisUnavailable
from outpost.migrations.errors import LeaseLost, MigrationError, Refused, Unreachable
from outpost.migrations.run import Run

TRANSIENT_REPLIES = frozenset(("OOM", "MISCONF", "NOREPLICAS"))
"""The server refuses writes for now: memory is full, it cannot save, or its replicas are away."""

_ADVICE = {
    "NOPERM": "the user of the access control list lacks a permission; outpost migrate doctor names what is missing",
    "NOAUTH": "a password is needed: set REDIS_PASSWORD",
    "WRONGPASS": "user or password is wrong: check REDIS_USERNAME and REDIS_PASSWORD",
    "READONLY": "this is a replica: configure its master",
}


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
    if isinstance(error, RedisReplyError):
        if error.code == "FENCED":
            if run is not None:
                run.lose("a newer run has begun")
            return LeaseLost("a newer run has begun; what was done is kept, and the newer run continues it")
        if error.code in _ADVICE:
            return Refused(f"redis {error.endpoint}: {_ADVICE[error.code]}")
        if error.code in TRANSIENT_REPLIES:
            return MigrationError(f"redis {error}; what was done is kept, run it again when the server accepts writes")
        return MigrationError(f"redis {error}; what was done is kept, run it again")
    if isinstance(error, RedisUnavailable):
        return Unreachable(f"redis cannot be used: {error}; what was done is kept, run it again when it is back")
    return MigrationError(f"redis {error}; what was done is kept, run it again")
