"""Programs that speak to Outpost from environments of their own, because they share no set of dependencies with it."""

from pathlib import Path
from typing import Literal

from tests.support.environments import interpreter


def sdk_python(version: Literal["1.5.0", "1.7.0"]) -> Path:
    """Return the interpreter of an environment that has this release of `outpost-sdk`."""
    return interpreter(f"sdk-{version}")


def schemathesis_program() -> Path:
    """Return the program `schemathesis`."""
    return interpreter("schemathesis").with_name("schemathesis")
