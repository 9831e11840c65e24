"""Who runs a command that changes stores."""

import getpass
import os
import secrets
import socket
from datetime import UTC, datetime

import msgspec

from outpost import __version__


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs.

    Attributes:
        token: 40 random hex characters, the value of the lock.
    """

    token: str
    run: str
    host: str
    pid: int
    user: str
    version: str
    started_at: datetime


def this_process() -> Owner:
    """Return an owner for a new run of this process."""
    return Owner(
        token=secrets.token_hex(20),
        run=f"run_{datetime.now(UTC):%Y%m%dT%H%M%S}_{secrets.token_hex(3)}",
        host=socket.gethostname(),
        pid=os.getpid(),
        user=_user(),
        version=__version__,
        started_at=datetime.now(UTC),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user id without a name, as in many containers
        return str(os.getuid())
