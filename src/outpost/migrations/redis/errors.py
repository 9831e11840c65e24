"""What Redis answers, in the words of the migration tool."""

import re
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


_IN_SCRIPT = re.compile(r"Error running script.*?-([A-Z]+) ", re.DOTALL)
_NO_PERMISSION_IN_SCRIPT = "The user executing the script can't run this command"


def code_of(error: RedisReplyError) -> str:
    """Return which error it is, also if it arose within a script, which hides it.

    Redis 6.2 wraps what a command in a script was answered; a command that the user may not use has no code of its own
    there before 7.2.
    """
    if error.code != "ERR":
        return error.code
    if _NO_PERMISSION_IN_SCRIPT in error.message:
        return "NOPERM"
    found = _IN_SCRIPT.search(error.message)
    return found[1] if found else error.code


@contextmanager
def redis_errors() -> Generator[None]:
    """Turn what the client raises into MigrationError, Refused or Unreachable."""
    try:
        yield
    except RedisUnavailable as error:
        raise Unreachable(f"redis {error}") from None
    except RedisReplyError as error:
        repair = _REPAIRS.get(code_of(error))
        if repair is None:
            raise MigrationError(f"redis {error}") from None
        raise Refused(f"redis {error}; {repair}") from None
