"""What Redis answers, in the words of the migration tool."""

import re
from collections.abc import Generator
from contextlib import contextmanager

from outpost.clients.redis import RedisNotReady, RedisReplyError, RedisUnavailable
from outpost.migrations.errors import MigrationError, Refused, Unreachable
from outpost.migrations.redis.admission import CameBackEmpty

_REPAIRS = {
    "NOAUTH": "set REDIS_PASSWORD",
    "WRONGPASS": "correct REDIS_PASSWORD or REDIS_USERNAME",
    "NOPERM": "grant the user what `outpost migrate doctor` lists",
    "READONLY": "connect to the primary: this is a read-only replica",
    "OOM": "raise maxmemory, then run it again; what was done is kept",
    "MISCONF": "Redis cannot save to disk: mend that, then run it again; what was done is kept",
    "MOVED": "this is a node of a Redis Cluster: set REDIS_CLUSTER_ENABLED=true",
}
_REPAIRS_BY_TEXT = {
    "cluster support disabled": "this is a single server: set REDIS_CLUSTER_ENABLED=false",
    "DB index is out of range": "set REDIS_DATABASE to one that the server has; a cluster has only 0",
}
_NO_CONNECTION = "check REDIS_HOST, REDIS_PORT and REDIS_TLS_ENABLED, that the server runs, and the network from here"
_NO_TRUST = "see REDIS_TLS_CA_FILE and REDIS_TLS_VERIFY"


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
        raise Unreachable(f"redis {error}{_remedy(error)}") from None
    except RedisReplyError as error:
        repair = _REPAIRS.get(code_of(error)) or _repair_by_text(error)
        if repair is None:
            raise MigrationError(f"redis {error}") from None
        raise Refused(f"redis {str(error).rstrip('.')}; {repair}") from None
    except CameBackEmpty as error:
        raise MigrationError(f"redis {error}") from None


def _remedy(error: RedisUnavailable) -> str:
    if isinstance(error, RedisNotReady):  # it answers, and says itself what it waits for
        return ""
    return f"; {_NO_TRUST if error.detail.startswith('TLS failed') else _NO_CONNECTION}"


def _repair_by_text(error: RedisReplyError) -> str | None:
    return next((repair for text, repair in _REPAIRS_BY_TEXT.items() if text in error.message), None)
