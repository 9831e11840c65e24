"""What happens to a test whose surroundings are incomplete: skipped on a laptop, failed in CI."""

import os
from typing import NoReturn

import pytest


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def missing(thing: str, *, remedy: str) -> NoReturn:
    """End the running test because `thing` is not there; `remedy` says how to get it."""
    message = f"{thing} is missing: {remedy}"
    if in_ci():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
