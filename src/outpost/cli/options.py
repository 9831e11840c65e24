"""The flags of the configuration, which every command takes: REDIS_HOST is --redis-host.

There are some two hundred. They are taken out of the arguments by hand before argparse sees the rest, because making
two hundred arguments for each sub-command would cost more than many a command.
"""

import argparse
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from outpost.cli.output import say
from outpost.config.load import load_settings
from outpost.config.parse import allowed
from outpost.config.setting import Setting
from outpost.config.settings import SETTINGS, Settings
from outpost.domain.errors import ConfigurationError

_CONFIG = ("--config", "-c")
_SWITCH_WORDS = frozenset({"true", "false", "1", "0", "t", "f"})

# Settings that share an environment name share the flag; the first one counts.
_ROWS: dict[str, Setting] = {row.flag: row for row in reversed(SETTINGS) if not row.key.process_only}


class SettingFlags:
    """What the arguments of a command say about the configuration.

    Attributes:
        rest: The other arguments, in their order.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        """Raises ConfigurationError if a flag has no value."""
        self.rest: list[str] = []
        self._values: dict[str, str] = {}
        self._config_path: str | None = None
        waiting = list(arguments)
        while waiting:
            argument = waiting.pop(0)
            if argument == "--":
                self.rest += [argument, *waiting]
                break
            self._take(argument, waiting)

    def load(self, fallbacks: Mapping[str, str] | None = None) -> Settings:
        """Load the settings.

        Args:
            fallbacks: Values by environment name for what no source sets.

        Raises:
            ConfigurationError: A file cannot be read, or a value is wrong.
        """
        return load_settings(config_path=self._config_path, flags=self._values, fallbacks=fallbacks)

    def _take(self, argument: str, waiting: list[str]) -> None:
        name, has_value, value = argument.partition("=")
        row = _ROWS.get(name)
        if row is None and name not in _CONFIG:
            self.rest.append(argument)
            return
        if not has_value:
            value = _next_value(name, row, waiting)
        if row is None:
            self._config_path = value
        else:
            self._values[row.key.env] = value


def _next_value(name: str, row: Setting | None, waiting: list[str]) -> str:
    if row is not None and row.kind.element == "switch":
        # A switch may stand alone; what follows is its value only if it can be one.
        return waiting.pop(0) if waiting and waiting[0].lower() in _SWITCH_WORDS else "true"
    if not waiting:
        raise ConfigurationError(f"{name} needs a value")
    return waiting.pop(0)


def add_settings_help(parser: argparse.ArgumentParser, *, shown: Collection[str] = ()) -> None:
    """Show the flags of the configuration in `--help`: `--config`, `--help-settings` and those in `shown`.

    Args:
        shown: Environment names.
    """
    group = parser.add_argument_group(
        "configuration",
        "every setting is a flag: REDIS_HOST is --redis-host; a flag beats the environment and the file",
    )
    group.add_argument(*reversed(_CONFIG), metavar="FILE", default=argparse.SUPPRESS, help="read FILE")
    group.add_argument("--help-settings", action=_HelpSettings, help="list the flags of all settings and exit")
    for row in reversed(_ROWS.values()):
        if row.key.env in shown:
            text = row.key.text.replace("`", "").replace("%", "%%")
            group.add_argument(row.flag, metavar=_metavar(row), default=argparse.SUPPRESS, help=text)


def _metavar(row: Setting) -> str:
    if row.kind.choices:
        return "|".join(row.kind.choices)
    return {"number": "N", "switch": "true|false", "text": "TEXT"}[row.kind.element] + (",..." if row.kind.many else "")


class _HelpSettings(argparse.Action):
    """Prints every flag with what it may hold and what it does."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *args: Any) -> None:
        rows = reversed(_ROWS.values())
        say("\n".join(f"{row.flag}  {allowed(row)}\n    {row.key.text.replace('`', '')}" for row in rows))
        parser.exit()
