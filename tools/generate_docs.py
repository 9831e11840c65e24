"""Writes the generated pages anew. `make docs` runs it; a test fails while a page is stale."""

import argparse
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

from outpost.cli.main import COMMANDS
from outpost.config import document

ROOT = Path(__file__).parents[1]
COMMANDS_PAGE = Path("docs/commands.md")

Command = tuple[str, ...]


def main() -> None:
    for page, text in PAGES.items():
        (ROOT / page).write_text(text())
        print(page)


def commands() -> list[Command]:
    """Return every command of the program, such as ("migrate", "apply"), in the order of its help."""
    return [command for command, _, _ in _walk_all()]


def commands_page() -> str:
    """Return the text of `docs/commands.md`.

    Made from the parsers and not from what `--help` prints, whose wording differs between releases of Python.
    """
    sections = ["# Commands\n\nMade by `make docs` from the program itself; `--help` says the same.\n"]
    for command, text, parser in _walk_all():
        sections.append(f"## `outpost {' '.join(command)}`\n\n{_sentence(text)}\n{_options(parser)}")
    return "\n".join(sections)


PAGES: dict[Path, Callable[[], str]] = {
    COMMANDS_PAGE: commands_page,
    Path("docs/configuration.md"): document.page,
    Path("src/outpost/config/defaults.yaml"): document.defaults_yaml,
}


def _walk_all() -> Iterator[tuple[Command, str, argparse.ArgumentParser]]:
    for name, command in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"outpost {name}", allow_abbrev=False)
        importlib.import_module(command.module).configure(parser)
        yield from _walk((name,), command.text, parser)


def _walk(
    command: Command, text: str, parser: argparse.ArgumentParser
) -> Iterator[tuple[Command, str, argparse.ArgumentParser]]:
    """Yield a command with its description and parser, then those below it."""
    yield command, text, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                yield from _walk((*command, name), texts.get(name, ""), child)


def _options(parser: argparse.ArgumentParser) -> str:
    rows = [
        f"| {_cell(_spelling(action))} | {_cell(_sentence(action.help % {**vars(action), 'prog': parser.prog}))} |"
        for action in parser._actions
        if action.help and action.help != argparse.SUPPRESS and action.dest != "help"
        if not isinstance(action, argparse._SubParsersAction)
    ]
    return "\n".join(["", "| Argument | Meaning |", "|---|---|", *rows, ""]) if rows else ""


def _spelling(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or "|".join(map(str, action.choices or [])) or action.dest)
    if not action.option_strings:
        return f"`{value}`"
    suffix = f" {value if action.metavar or action.choices else value.upper()}" if value else ""
    return ", ".join(f"`{option}{suffix}`" for option in sorted(action.option_strings, key=len, reverse=True))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


if __name__ == "__main__":
    main()
