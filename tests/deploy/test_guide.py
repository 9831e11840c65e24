"""The guide to deploying shows the recipes as they are, and what it tells people to type works."""

import re
import shlex

import pytest

from tests.support.checkout import ROOT, tracked_files
from tests.support.image import Container
from tests.support.stand_ins import StandIns

GUIDE = (ROOT / "docs" / "guides" / "deploying.md").read_text()
SHOWN = dict(re.findall(r"^\[`(deploy/[^`]+)`\]\([^)]+\):\n\n```\w+\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))

# Not for the reader to copy: the parts of the image, and the script that makes it.
PARTS = {"deploy/build-image", "deploy/entrypoint", "deploy/healthcheck"}


def _typed() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks if block not in SHOWN.values() for line in block.splitlines()]


def test_every_recipe_is_shown() -> None:
    files = {path.as_posix() for path in tracked_files() if path.parts[0] == "deploy"}

    assert set(SHOWN) == files - PARTS


@pytest.mark.parametrize("recipe", SHOWN)
def test_the_recipe_is_shown_word_for_word(recipe: str) -> None:
    assert SHOWN[recipe] == (ROOT / recipe).read_text()


def test_the_commands_of_the_guide_work_in_their_order(container: Container, stand_ins: StandIns) -> None:
    (container.data / "outpost.env").write_text("SQLITE_PATH=/data/outpost.db\n")
    commands = [line for line in _typed() if line.startswith("docker run ")]
    without_answer = [line for line in commands if line.endswith(" migrate apply")]  # it asks, and here nobody answers

    codes = {line: stand_ins.sh(line).code for line in commands}

    assert len(commands) >= 7
    assert codes == {line: 19 if line in without_answer else 0 for line in commands}


def test_every_script_that_the_guide_tells_to_run_is_there() -> None:
    scripts = [shlex.split(line)[0] for line in _typed() if line.startswith("deploy/")]

    assert scripts == ["deploy/build-image"]
    assert (ROOT / scripts[0]).is_file()
