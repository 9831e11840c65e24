"""Each SDK release is there, in an environment of its own."""

import subprocess
from typing import Literal

import pytest

from tests.support.sdk import schemathesis_program, sdk_python

_SHOW = "import importlib.metadata, outpost_sdk; print(importlib.metadata.version('outpost-sdk'))"


@pytest.mark.parametrize("version", ["1.5.0", "1.7.0"])
def test_the_sdk_can_be_imported(version: Literal["1.5.0", "1.7.0"]) -> None:
    shown = subprocess.run([sdk_python(version), "-c", _SHOW], check=True, capture_output=True, text=True)

    assert shown.stdout.strip() == version


def test_schemathesis_starts() -> None:
    shown = subprocess.run([schemathesis_program(), "--version"], check=True, capture_output=True, text=True)

    assert "chemathesis" in shown.stdout
