"""Writes the generated pages anew. `make docs` runs it; a test fails while a page is stale."""

import argparse
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

from outpost.cli import exit_codes
from outpost.cli.main import COMMANDS
from outpost.config import document

ROOT = Path(__file__).parents[1]
COMMANDS_PAGE = Path("docs/commands.md")

Command = tuple[str, ...]

_INTRODUCTION = """\
# Commands

Made by `make docs` from the program itself; `--help` says the same. What stands below a command that has commands of
its own, such as `outpost migrate`, may be given to each of these and is not repeated there. Every setting is also a
flag: `--help-settings` lists them.
"""

_EXIT_CODES = """\
## Exit codes

Of every command; [what to do about each](guides/migrations.md#what-to-do-by-exit-code).
"""


def main() -> None:
    for page, text in PAGES.items():
        (ROOT / page).write_text(text())
        print(page)


def commands() -> list[Command]:
    """Return every command of the program, such as ("migrate", "apply"), in the order of its help."""
    return [command for command, _, _ in parsers()]


def commands_page() -> str:
    """Return the text of `docs/commands.md`.

    Made from the parsers and not from what `--help` prints, whose wording differs between releases of Python.
    """
    sections = [_INTRODUCTION]
    arguments: dict[Command, list[str]] = {(): []}
    for command, text, parser in parsers():
        arguments[command] = _arguments(parser)
        above = arguments[command[:-1]]
        rows = [row for row in arguments[command] if row not in above]
        sections.append(f"## `outpost {' '.join(command)}`\n\n{_sentence(text)}\n{_table('Argument', rows)}")
    codes = [f"| {code} | {_sentence(meaning)} |" for code, meaning in exit_codes.MEANINGS.items()]
    return "\n".join([*sections, _EXIT_CODES + _table("Code", codes)])


PAGES: dict[Path, Callable[[], str]] = {
    COMMANDS_PAGE: commands_page,
    Path("docs/configuration.md"): document.page,
    Path("src/outpost/config/defaults.yaml"): document.defaults_yaml,
}


def parsers() -> Iterator[tuple[Command, str, argparse.ArgumentParser]]:
    """Yield every command with its description and the parser of its arguments, in the order of its help."""
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


def _arguments(parser: argparse.ArgumentParser) -> list[str]:
    """Return a row of a table for each argument."""
    return [
        f"| {_cell(_spelling(action))} | {_cell(_sentence(action.help % {**vars(action), 'prog': parser.prog}))} |"
        for action in parser._actions
        if action.help and action.help != argparse.SUPPRESS and action.dest != "help"
        if not isinstance(action, argparse._SubParsersAction)
    ]


def _table(subject: str, rows: list[str]) -> str:
    return "\n".join(["", f"| {subject} | Meaning |", "|---|---|", *rows, ""]) if rows else ""


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
