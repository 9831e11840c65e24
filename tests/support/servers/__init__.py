"""Servers that tests talk to: real ones, one module per kind, started on free ports of 127.0.0.1.

Their fixtures are there for every test: `tests/conftest.py` names the modules as plugins.
"""

import os
import shutil
import socket
from pathlib import Path
from typing import NoReturn

from tests.support.missing import missing

_CHECKOUT = Path(__file__).parents[3]


def missing_server(name: str) -> NoReturn:
    """End the running test because no server `name` can be started here: skipped on a laptop, failed in CI."""
    missing(name, remedy="`make test` installs it where it can; otherwise put it on PATH")


def program(name: str, *, cached: str) -> str:
    """Return the path of a server program: from PATH, else where `tools/test-servers` unpacked it.

    Args:
        cached: Its place in `.cache/`; a test run outside the checkout is told by SIDE_ENVIRONMENTS where that is.
    """
    unpacked = Path(os.environ.get("SIDE_ENVIRONMENTS") or _CHECKOUT / ".cache") / cached
    found = shutil.which(name) or (str(unpacked) if unpacked.exists() else None)
    return found or missing_server(name)


def free_port(*, highest: int = 65535) -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment; starting a server on it may still fail."""
    held: list[socket.socket] = []
    try:
        while True:
            probe = socket.socket()
            held.append(probe)  # until the end, so that the next probe gets another port
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if port <= highest:
                return port
    finally:
        for probe in held:
            probe.close()
