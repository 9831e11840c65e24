"""What is in the wheel."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import outpost
from tests.support.checkout import ROOT, SOURCE


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_whole_and_nothing_beside_it(wheel: Path) -> None:
    in_source = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "outpost").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert in_wheel == in_source
    assert "outpost/py.typed" in in_wheel


def test_the_wheel_has_one_command_and_carries_its_licence(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    about = f"outpost_server-{outpost.__version__}.dist-info"

    metadata = Parser().parsestr(archive.read(f"{about}/METADATA").decode())
    commands = archive.read(f"{about}/entry_points.txt").decode()

    assert metadata["Name"] == "outpost-server"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert archive.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert commands.split() == ["[console_scripts]", "outpost", "=", "outpost.cli.main:main"]
