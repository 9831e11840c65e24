"""The program `outpost`: chooses a command, runs it, turns what it raises into one line and an exit code.

Only the module of the chosen command is imported, so `outpost --version` costs hardly more than Python itself.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol, cast

from outpost import __version__
from outpost.cli import exit_codes
from outpost.cli.output import OutputLost, complain, finish, say
from outpost.domain.errors import ConfigurationError, OutpostError

if TYPE_CHECKING:
    import argparse

    from outpost.config.settings import Settings


class SettingsLoader(Protocol):
    """Reads the configuration, flags of the command included; `fallbacks` are values for what no source sets."""

    def __call__(self, fallbacks: Mapping[str, str] | None = None) -> "Settings": ...


class _Command(NamedTuple):
    module: str
    text: str


class _CommandModule(Protocol):
    """What the module of a command offers."""

    def configure(self, parser: "argparse.ArgumentParser") -> None:
        """Add the command's arguments."""

    def run(self, args: "argparse.Namespace", settings_loader: "SettingsLoader") -> int:
        """Do it and return the exit code."""
        ...


COMMANDS = {
    "dev": _Command("outpost.cli.dev", "try Outpost on this machine; needs no configuration"),
    "serve": _Command("outpost.cli.serve", "run the server"),
    "migrate": _Command("outpost.cli.migrate", "bring the stores to the form this version needs"),
    "config": _Command("outpost.cli.config", "show the configuration in force"),
    "dead-letters": _Command("outpost.cli.dead_letters", "send back what the distributed profile gave up"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; None means those of the process.

    Returns:
        The exit code, one of `outpost.cli.exit_codes`.
    """
    name, *rest = [*(sys.argv[1:] if argv is None else argv)] or ["help"]
    code = _run_guarded(name, rest)
    try:
        finish()
    except OutputLost as lost:
        return code or _lost(lost)  # a failure before it matters more
    return code


def _run_guarded(name: str, arguments: Sequence[str]) -> int:
    try:
        return _choose(name, arguments)
    except ConfigurationError as error:
        return _fail(error, exit_codes.USAGE)
    except OutpostError as error:
        return _fail(error, exit_codes.FAILED)
    except OutputLost as lost:
        return _lost(lost)
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except SystemExit as exit_:  # argparse leaves this way, after `--help` and after wrong usage
        return exit_.code if isinstance(exit_.code, int) else exit_codes.DONE
    except Exception as error:
        import traceback

        complain(traceback.format_exc().rstrip())
        return _fail(f"unexpected {type(error).__name__}, a defect in Outpost; the lines above say where", 1)


def _choose(name: str, arguments: Sequence[str]) -> int:
    match name:
        case "-h" | "--help" | "help":
            say(_help())
            return exit_codes.DONE
        case "--version" | "-version" | "version":
            say(f"outpost {__version__}")
            return exit_codes.DONE
        case _ if name in COMMANDS:
            return _run(name, arguments)
        case _:
            return _unknown(name)


def _run(name: str, arguments: Sequence[str]) -> int:
    import argparse

    from outpost.cli.options import SettingFlags

    class Parser(argparse.ArgumentParser):
        """Sub-commands inherit it."""

        def error(self, message: str) -> NoReturn:
            self.print_usage(sys.stderr)
            self.exit(exit_codes.USAGE, f"Error: {message}\n")

    command = COMMANDS[name]
    module = cast(_CommandModule, importlib.import_module(command.module))
    # Abbreviated flags would change their meaning with every new setting.
    parser = Parser(prog=f"outpost {name}", description=command.text, allow_abbrev=False)
    module.configure(parser)
    flags = SettingFlags(arguments)
    return module.run(parser.parse_args(flags.rest), flags.load)


def _lost(lost: OutputLost) -> int:
    return exit_codes.OUTPUT_LOST if lost.quiet else _fail(lost, exit_codes.OUTPUT_LOST)


def _unknown(name: str) -> int:
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean `outpost {close[0]}`?" if close else f"commands: {', '.join(COMMANDS)}"
    return _fail(f"there is no command {name!r}; {hint}", exit_codes.USAGE)


def _fail(error: object, code: int) -> int:
    complain("Error: " + " ".join(str(error).split("\n")))
    return code


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {command.text}" for name, command in COMMANDS.items())
    return (
        "Outpost delivers a platform's events to its customers' webhooks, at least once.\n\n"
        f"usage: outpost COMMAND [options]\n\ncommands:\n{commands}\n\n"
        "options:\n  --version  print the version\n  --help     print this; `outpost COMMAND --help` says more\n"
    )
