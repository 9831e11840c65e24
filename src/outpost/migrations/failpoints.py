"""Named places where a test can make a run fail, hang or die.

`OUTPOST_MIGRATE_FAILPOINT=<name>:<n>:<action>` acts when the place is passed for the n-th time:

    kill    the process ends at once, as if killed with signal 9
    raise   a MigrationError
    stop    the process stops as if suspended, until SIGCONT

It does nothing unless `OUTPOST_MIGRATE_TESTING=1` is set too, so that a stray variable cannot harm a real run.
"""

import os
import signal
from functools import cache

from outpost.migrations.errors import MigrationError

_passed: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Pass the place `name`; free of cost unless a test asked for it."""
    wanted = _wanted()
    if wanted is None or wanted[0] != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] != wanted[1]:
        return
    match wanted[2]:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case _:
            raise MigrationError(f"failpoint {name} was asked to fail")


@cache
def _wanted() -> tuple[str, int, str] | None:
    if os.environ.get("OUTPOST_MIGRATE_TESTING") != "1":
        return None
    name, _, rest = os.environ.get("OUTPOST_MIGRATE_FAILPOINT", "").partition(":")
    number, _, action = rest.partition(":")
    return (name, int(number or 1), action or "kill") if name else None
