"""What the documents say can be done can be done."""

import argparse
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, documents
from tools.generate_docs import COMMANDS_PAGE, PAGES, commands, parsers

_DOCUMENTS = documents()


def _text(document: Path) -> str:
    return (ROOT / document).read_text()


def _code(text: str) -> str:
    """Return what stands in code blocks and between backquotes."""
    blocks = re.findall(r"^```.*?$(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_readme_opens_with_the_two_commands() -> None:
    first_block = re.search(r"```sh\n(.*?)```", _text(Path("README.md")), re.DOTALL)

    assert first_block is not None
    assert re.findall(r"^make \w+", first_block.group(1), re.MULTILINE) == ["make run", "make test"]


def test_make_help_names_every_target() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert phony is not None
    assert set(re.findall(r"^  make (\w+)", shown.stdout, re.MULTILINE)) == set(phony.group(1).split()) == _targets()


@pytest.mark.parametrize("document", _DOCUMENTS, ids=str)
def test_the_make_commands_exist_in(document: Path) -> None:
    named = set(re.findall(r"^make ([a-z]+)", _code(_text(document)), re.MULTILINE))

    assert named <= _targets()


@pytest.mark.parametrize("document", _DOCUMENTS, ids=str)
def test_the_outpost_commands_exist_in(document: Path) -> None:
    known = {" ".join(command) for command in commands()}
    groups = {name.rpartition(" ")[0] for name in known}

    unknown = []
    for line in re.findall(r"^outpost ([a-z][a-z -]*)", _code(_text(document)), re.MULTILINE):
        first, _, rest = line.partition(" ")
        command = f"{first} {rest.split(' ')[0]}" if first in groups and rest[:1].isalpha() else first
        if command not in known:
            unknown.append(command)

    assert unknown == []


@pytest.mark.parametrize("document", _DOCUMENTS, ids=str)
def test_the_links_lead_somewhere_in(document: Path) -> None:
    targets = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", _text(document))]
    files = [link for link in targets if link and "://" not in link]

    assert [link for link in files if not (ROOT / document.parent / link).exists()] == []


def test_the_documented_commands_are_those_of_the_program() -> None:
    documented = re.findall(r"^## `outpost (.*)`$", _text(COMMANDS_PAGE), re.MULTILINE)

    assert documented == [" ".join(command) for command in commands()]


def test_every_argument_says_what_it_means() -> None:
    silent = {
        (*command, action.dest)
        for command, _, parser in parsers()
        for action in parser._actions
        if not action.help and action.nargs != argparse.PARSER
    }

    assert not silent


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_generated_page_is_fresh(page: Path) -> None:
    assert _text(page) == PAGES[page](), "stale: run `make docs`"
