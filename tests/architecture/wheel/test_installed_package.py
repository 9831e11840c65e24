"""The package as it is installed. Runs against the checkout and, with src/ out of reach, against the wheel."""

import importlib
import os
import pkgutil
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import outpost


def test_outpost_comes_from_where_this_run_means_to_test_it() -> None:
    expected = "site-packages" if os.environ.get("OUTPOST_TESTED_AS") == "wheel" else "src"

    assert Path(outpost.__file__).parts[-3] == expected


def test_every_module_can_be_imported() -> None:
    names = [module.name for module in pkgutil.walk_packages(outpost.__path__, "outpost.")]

    for name in names:
        importlib.import_module(name)

    assert "outpost.domain.event" in names


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert resources.files("outpost").joinpath("py.typed").is_file()


def test_the_version_is_the_same_everywhere() -> None:
    script = Path(sys.executable).with_name("outpost")

    by_script = subprocess.run([script, "--version"], check=True, capture_output=True, text=True).stdout
    by_module = subprocess.run(
        [sys.executable, "-m", "outpost", "--version"], check=True, capture_output=True, text=True
    ).stdout

    assert by_script == by_module
    assert by_script.split()[-1] == outpost.__version__ == metadata.version("outpost-server")
