"""Gives a command the flags of the configuration, and reads the settings from them."""

import argparse
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from outpost.config.load import load_settings
from outpost.config.parse import allowed
from outpost.config.setting import Setting
from outpost.config.settings import SETTINGS, Settings

_PREFIX = "setting."


def add_settings_flags(parser: argparse.ArgumentParser, *, shown: Collection[str] = ()) -> None:
    """Add `--config`, `--help-settings` and a flag for every setting.

    A command with sub-commands calls this for each of them. The flags of settings stay out of `--help`, except those
    in `shown` (environment names).
    """
    group = parser.add_argument_group(
        "configuration",
        "every setting is a flag: REDIS_HOST is --redis-host; a flag beats the environment and the file",
    )
    group.add_argument(
        "-c", "--config", dest="config_path", metavar="FILE", default=argparse.SUPPRESS, help="read FILE"
    )
    group.add_argument("--help-settings", action=_HelpSettings, help="list the flags of all settings and exit")
    for row in _flag_rows():
        _add_flag(group, row, visible=row.key.env in shown)


def settings_from(args: argparse.Namespace, *, fallbacks: Mapping[str, str] | None = None) -> Settings:
    """Load the settings for parsed arguments.

    Args:
        args: Made by a parser that went through `add_settings_flags`.
        fallbacks: Values by environment name for what no source sets.

    Raises:
        ConfigurationError: A file cannot be read, or a value is wrong.
    """
    flags = {name.removeprefix(_PREFIX): value for name, value in vars(args).items() if name.startswith(_PREFIX)}
    return load_settings(config_path=getattr(args, "config_path", None), flags=flags, fallbacks=fallbacks)


def _flag_rows() -> list[Setting]:
    """One row per flag; settings that share an environment name share the flag."""
    return list({row.flag: row for row in reversed(SETTINGS) if not row.key.process_only}.values())[::-1]


def _add_flag(group: Any, row: Setting, *, visible: bool) -> None:
    # SUPPRESS keeps an absent flag out of the namespace, so a sub-command does not undo what stands before it.
    switch: dict[str, Any] = {"nargs": "?", "const": "true"} if row.kind.element == "switch" else {}
    group.add_argument(
        row.flag,
        dest=_PREFIX + row.key.env,
        metavar=_metavar(row),
        default=argparse.SUPPRESS,
        help=row.key.text.replace("`", "").replace("%", "%%") if visible else argparse.SUPPRESS,
        **switch,
    )


def _metavar(row: Setting) -> str:
    if row.kind.choices:
        return "|".join(row.kind.choices)
    return {"number": "N", "switch": "true|false", "text": "TEXT"}[row.kind.element] + (",..." if row.kind.many else "")


class _HelpSettings(argparse.Action):
    """Prints every flag with what it may hold and what it does."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> None:
        for row in _flag_rows():
            print(f"{row.flag}  {allowed(row)}\n    {row.key.text.replace('`', '')}")
        parser.exit()
