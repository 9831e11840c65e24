"""Programs that speak to Outpost from environments of their own, because they share no set of dependencies with it."""

import os
from pathlib import Path
from typing import Literal

from tests.support.missing import missing

_CHECKOUT = Path(__file__).parents[2]


def sdk_python(version: Literal["1.5.0", "1.7.0"]) -> Path:
    """Return the interpreter of an environment that has this release of `outpost-sdk`."""
    return _interpreter(f"sdk-{version}")


def schemathesis_program() -> Path:
    """Return the program `schemathesis`."""
    return _interpreter("schemathesis").with_name("schemathesis")


def _interpreter(environment: str) -> Path:
    """Environments lie in `.cache/`; a test run outside the checkout is told where by SIDE_ENVIRONMENTS."""
    folder = Path(os.environ.get("SIDE_ENVIRONMENTS") or _CHECKOUT / ".cache") / environment
    if not (folder / ".ready").exists():
        missing(f"the environment {environment}", remedy="run `make test`, which creates it")
    return folder / "bin" / "python"
