"""What Redis answers, in the words of the migration tool."""

from collections.abc import Generator
from contextlib import contextmanager

from outpost.clients.redis import RedisReplyError, RedisUnavailable
from outpost.migrations.errors import MigrationError, Refused, Unreachable

_REPAIRS = {
    "NOAUTH": "set REDIS_PASSWORD",
    "WRONGPASS": "correct REDIS_PASSWORD or REDIS_USERNAME",
    "NOPERM": "grant the user what `outpost migrate doctor` lists",
    "READONLY": "connect to the primary: this is a read-only replica",
    "OOM": "raise maxmemory, then run it again; what was done is kept",
    "MISCONF": "Redis cannot save to disk: mend that, then run it again; what was done is kept",
}


@contextmanager
def redis_errors() -> Generator[None]:
    """Turn what the client raises into MigrationError, Refused or Unreachable."""
    try:
        yield
    except RedisUnavailable as error:
        raise Unreachable(f"redis {error}") from None
    except RedisReplyError as error:
        repair = _REPAIRS.get(error.code)
        if repair is None:
            raise MigrationError(f"redis {error}") from None
        raise Refused(f"redis {error}; {repair}") from None
