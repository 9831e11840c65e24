"""What the guides tell people to type, set and open is there.

That the recipes of the guide to deploying work is tested beside them, in `tests/deploy`.
"""

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from outpost.cli.main import COMMANDS
from outpost.cli.options import SettingFlags
from outpost.config.load import load_settings
from outpost.config.settings import SETTINGS
from tests.support.checkout import ROOT, documents, tracked_files
from tools.generate_docs import commands, parsers

_GUIDES = [path for path in documents() if path.parts[:2] == ("docs", "guides")]

_OTHERS_VARIABLES = {
    "OUTPOST_VERSION",
    "POSTGRES_DB",
    "POSTGRES_PASSWORD",
    "POSTGRES_USER",
    "RABBITMQ_DEFAULT_PASS",
    "RABBITMQ_DEFAULT_USER",
    "RABBITMQ_PASSWORD",
    "REDISCLI_AUTH",
    "SO_REUSEPORT",
}
"""What the recipes set for themselves and for images of other programs, and a constant of the system."""


def _blocks(guide: Path, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}.*?$\n(.*?)^```$", (ROOT / guide).read_text(), re.DOTALL | re.MULTILINE)


def _spans(document: Path) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", (ROOT / document).read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def _typed(guide: Path) -> Iterator[list[str]]:
    """Yield the arguments of each `outpost` that stands in the guide, also of `outpost migrate` called `apply --to …`.

    A group alone, such as `outpost migrate`, is a name and nothing to type.
    """
    below_migrate = {command[1] for command in commands() if command[0] == "migrate" and len(command) > 1}
    groups = [[*command[:-1]] for command in commands() if len(command) > 1]
    for line in [*_spans(guide), *"\n".join(_blocks(guide)).splitlines()]:
        first, _, rest = line.partition(" ")
        if first in below_migrate and rest.startswith("--"):
            line = f"outpost migrate {line}"
        if typed := re.match(r"(?:\w+=\S+ )*outpost ([^&]+)", line):
            arguments = shlex.split(typed.group(1), comments=True)
            if arguments not in groups:
                yield arguments


@pytest.mark.parametrize("guide", _GUIDES, ids=str)
def test_the_program_understands_what_is_typed_in(guide: Path) -> None:
    lines = list(_typed(guide))

    assert len(lines) > 3
    for name, *arguments in lines:
        parser = argparse.ArgumentParser(prog=f"outpost {name}", allow_abbrev=False)
        importlib.import_module(COMMANDS[name].module).configure(parser)
        parser.parse_args(SettingFlags(arguments).rest)


@pytest.mark.parametrize("guide", _GUIDES, ids=str)
def test_the_flags_exist_that_are_named_in(guide: Path) -> None:
    known = {option for _, _, parser in parsers() for action in parser._actions for option in action.option_strings}
    known |= {row.flag for row in SETTINGS if not row.key.process_only}

    named = {match.group() for span in _spans(guide) if (match := re.match(r"--[a-z-]+", span))}

    assert named <= known


@pytest.mark.parametrize("guide", _GUIDES, ids=str)
def test_the_settings_exist_that_are_named_in(guide: Path) -> None:
    known = {row.key.env for row in SETTINGS} | _OTHERS_VARIABLES

    named = set(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", "\n".join([*_spans(guide), *_blocks(guide)])))

    assert named <= known


def test_the_configuration_file_that_is_shown_can_be_loaded(tmp_path: Path) -> None:
    (shown,) = _blocks(Path("docs/guides/migrations.md"), "yaml")
    file = tmp_path / "outpost.yaml"
    file.write_text(shown)

    settings = load_settings(config_path=str(file), environ={})

    assert (settings.redis.host, settings.warnings) == ("redis.internal", ())


@pytest.mark.parametrize("document", [path for path in documents() if path.name != "CHANGELOG.md"], ids=str)
def test_the_files_exist_that_are_named_in(document: Path) -> None:
    """In the map of the program, paths begin below `src/outpost`; `config/` is where operators keep their files."""
    places = {path.parts[0] for path in tracked_files() if len(path.parts) > 1}
    places |= {path.parts[2] for path in tracked_files() if path.parts[:2] == ("src", "outpost")} - {"config"}

    named = [span.rstrip("/") for span in _spans(document) if "/" in span and span.partition("/")[0] in places]

    files = [re.sub(r"<\w+>", "*", name) for name in named if re.fullmatch(r"[\w./*<>-]+", name)]
    assert [name for name in files if not any([*ROOT.glob(name), *(ROOT / "src/outpost").glob(name)])] == []
