"""The rules that `tests/conftest.py` and `tests/support` put on every test, tried on small test files."""

import textwrap
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
