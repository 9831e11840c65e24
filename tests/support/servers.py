"""Servers that tests talk to."""

from typing import NoReturn

from tests.support.missing import missing


def missing_server(name: str) -> NoReturn:
    """End the running test because no server `name` can be started here: skipped on a laptop, failed in CI."""
    missing(name, remedy="`make test` installs it where it can; otherwise put it on PATH")
