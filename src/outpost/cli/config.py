"""`outpost config list`: the configuration in force, without its secrets."""

import argparse
from collections.abc import Mapping
from typing import cast

import msgspec

from outpost.cli import exit_codes
from outpost.cli.main import SettingsLoader
from outpost.cli.options import add_settings_help
from outpost.cli.output import complain, say
from outpost.config import server_requirements
from outpost.config.summary import summary
from outpost.domain.errors import ConfigurationError


def configure(parser: argparse.ArgumentParser) -> None:
    add_settings_help(parser)
    commands = parser.add_subparsers(dest="config_command", metavar="COMMAND", required=True)
    text = "print every setting in force, one per line, without secrets"
    list_ = commands.add_parser("list", help=text, description=text)
    list_.add_argument("--json", action="store_true", help="print one JSON document")
    add_settings_help(list_)


def run(args: argparse.Namespace, settings_loader: SettingsLoader) -> int:
    """Print what is in force; a configuration that `serve` would refuse is shown all the same, with a warning."""
    settings = settings_loader()
    fields, warnings = summary(settings), [*settings.warnings]
    try:
        server_requirements.check(settings)
    except ConfigurationError as error:
        warnings.append(f"outpost serve would not start: {error}")
    if args.json:
        document = {"schema": 1, "command": "config list", "ok": True, "settings": fields, "warnings": warnings}
        say(msgspec.json.encode(document).decode())
    else:
        say(format_fields(fields))
        for warning in warnings:
            complain(f"Warning: {warning}")
    return exit_codes.DONE


def format_fields(fields: Mapping[str, object]) -> str:
    """One line per field, sorted: the key padded to the longest, two blanks, the value."""
    width = max(map(len, fields), default=0)
    return "\n".join(f"{name:<{width}}  {_text(fields[name])}".rstrip() for name in sorted(fields))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + " ".join(map(str, cast(tuple[object, ...], value))) + "]"
    return str(value)
