"""Environments beside `.venv`, for programs that share no set of dependencies with Outpost."""

import os
from pathlib import Path

from tests.support.missing import missing

_CHECKOUT = Path(__file__).parents[2]


def interpreter(environment: str) -> Path:
    """Return the Python of an environment; the running test ends if it is not there.

    Environments lie in `.cache/`; a test run outside the checkout is told where by SIDE_ENVIRONMENTS.
    """
    folder = Path(os.environ.get("SIDE_ENVIRONMENTS") or _CHECKOUT / ".cache") / environment
    if not (folder / ".ready").exists():
        missing(f"the environment {environment}", remedy="run `make test`, which creates it")
    return folder / "bin" / "python"
