"""Finds and reads the configuration. Nothing else in Outpost reads the environment.

Precedence, highest first: flag, process environment, one file, default. The file is the one named by `--config` or
`CONFIG`, or the first of `SEARCHED` that exists and is not empty; files are never merged.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from outpost.config import legacy
from outpost.config.parse import Given, is_unrecognised, parse
from outpost.config.setting import Kind, Setting
from outpost.config.settings import BUILT_IN, SECTIONS, SETTINGS, Settings
from outpost.domain.errors import ConfigurationError

SEARCHED = (
    ".env",
    ".outpost.yaml",
    "config/outpost.yaml",
    "config/outpost/config.yaml",
    "config/outpost/.env",
    "/config/outpost.yaml",
    "/config/outpost/config.yaml",
    "/config/outpost/.env",
)


def load_settings(
    *,
    config_path: str | None = None,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    fallbacks: Mapping[str, str] | None = None,
) -> Settings:
    """Read all sources into `Settings`. Each value is checked by itself; `server_requirements.check` checks the whole.

    Args:
        config_path: File named by the flag `--config`.
        flags: Values of other flags by environment name.
        environ: The process environment; None means `os.environ`.
        cwd: Where relative paths are looked up; None means the working directory.
        fallbacks: Values by environment name that stand in for built-in defaults, below every other source.

    Raises:
        ConfigurationError: A file cannot be read, or a value is wrong.
    """
    environ = os.environ if environ is None else environ
    path, text, warnings = _find_file(config_path, environ.get("CONFIG", ""), os.fspath(cwd or ""))
    flag_source = _Names(flags or {}, "flag", keeps_empty=True)
    file_source, file_warnings = _read_file(path, text, environ)
    sources: list[_Source] = [
        flag_source,
        _Names(environ, "environment", keeps_empty=True, is_process=True),
        file_source,
        _Names(fallbacks or {}, BUILT_IN),
    ]
    _check_service(sources)
    warnings += [*file_warnings, *_legacy_warnings(environ, "environment")]
    return _settings(sources, path, warnings)


class _Source(Protocol):
    def look(self, setting: Setting, warnings: list[str]) -> Given | None:
        """Return what this source says about a setting, None if nothing."""
        ...


class _Names:
    """A source with environment names: the environment itself, a `.env` file, flags."""

    def __init__(
        self, values: Mapping[str, str], label: str, *, keeps_empty: bool = False, is_process: bool = False
    ) -> None:
        self._values = values
        self._label = label
        self._keeps_empty = keeps_empty
        self._is_process = is_process

    def look(self, setting: Setting, warnings: list[str]) -> Given | None:
        key = setting.key
        if self._is_process:
            for name in key.process_env:
                if self._values.get(name):
                    return Given(self._values[name], f"environment, as {name}")
        elif key.process_only:
            return None
        value = self._values.get(key.env)
        if value or (value is not None and self._keeps_empty and key.keeps_empty):
            return Given(value, f"flag {setting.flag}" if self._label == "flag" else self._label)
        for alias in key.aliases:
            if value := self._values.get(alias):
                warnings.append(f"{alias} ({self._label}) is an older name; write {key.env}")
                return Given(value, f"{self._label}, as {alias}")
        return None


class _Leaves:
    """A YAML file."""

    def __init__(self, leaves: Mapping[str, Given]) -> None:
        self._leaves = leaves

    def look(self, setting: Setting, warnings: list[str]) -> Given | None:
        key = setting.key
        for path in (key.yaml, *key.yaml_aliases):
            given = self._leaves.get(path)
            if given is None or (given.value == "" and not self._keeps_empty(setting)):
                continue
            if path != key.yaml:
                warnings.append(f"{given.where}: {path} is an older name; write {key.yaml}")
            if setting.kind.many and isinstance(given.value, str) and "," in given.value:
                warnings.append(f"{given.where}: {path} is a text with commas; write a YAML list")
            return given
        return None

    @staticmethod
    def _keeps_empty(setting: Setting) -> bool:
        """An empty text is a value of its own, unless no value of the setting can be empty."""
        return setting.key.keeps_empty or setting.kind == _TEXT


_TEXT = Kind("text")


def _find_file(flag: str | None, env: str, cwd: str) -> tuple[str, str, list[str]]:
    """Return path and text of the file to read, both empty if there is none, and warnings."""
    if flag and env and os.path.normpath(os.path.join(cwd, flag)) != os.path.normpath(os.path.join(cwd, env)):
        raise ConfigurationError(f"conflicting config paths: --config says {flag}, CONFIG says {env}; give one")
    if named := flag or env:
        return named, _read_text(os.path.join(cwd, named), named), []
    warnings: list[str] = []
    for name in SEARCHED:
        path = os.path.join(cwd, name)
        if not os.path.isfile(path):
            continue
        if text := _read_text(path, name):
            return name, text, warnings
        warnings.append(f"{name} is empty and was passed over")
    return "", "", warnings


def _read_text(path: str, name: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"config file {name} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"config file {name} is not UTF-8 text") from None


def _read_file(path: str, text: str, environ: Mapping[str, str]) -> tuple[_Source, list[str]]:
    # The readers are imported here because a process that is configured by its environment needs neither.
    if not path:
        return _Leaves({}), []
    if path.lower().endswith(".env"):
        from outpost.config.env_file import parse_env_file

        values = parse_env_file(text, path=path, environ=environ)
        return _Names(values, path), _legacy_warnings(values, path)
    from outpost.config.yaml_file import YamlFile

    known = {path for row in SETTINGS for path in (row.key.yaml, *row.key.yaml_aliases) if path}
    file = YamlFile(text, path=path, known=known)
    return _Leaves(file.leaves), file.warnings


def _check_service(sources: Iterable[_Source]) -> None:
    """The flag `--service` may choose a role, but not another one than the environment or the file."""
    setting = next(row for row in SETTINGS if row.key.env == "SERVICE")
    found = [given for source in sources if (given := source.look(setting, [])) is not None]
    if not found or not found[0].where.startswith("flag"):
        return
    said = parse(setting, found[0])
    for other in found[1:2]:
        if parse(setting, other) != said:
            raise ConfigurationError(f"service type mismatch: --service says {said}, {other.where} says {other.value}")


def _legacy_warnings(values: Mapping[str, str], label: str) -> list[str]:
    return [f"{name} ({label}) {hint}" for name, hint in legacy.ENVIRONMENT.items() if values.get(name)]


def _settings(sources: Iterable[_Source], path: str, warnings: list[str]) -> Settings:
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        given = _first(sources, setting, warnings)
        if given is None:
            continue
        values[setting.section][setting.field] = parse(setting, given)
        origins[setting.name] = given.where
        warnings += _value_warnings(setting, given, values[setting.section][setting.field])
    sections: dict[str, Any] = {name: SECTIONS[name](**fields) for name, fields in values.items() if fields}
    settings = Settings(**sections, sources=origins, config_file=path)
    warnings += _without_effect(settings)
    return msgspec.structs.replace(settings, warnings=tuple(dict.fromkeys(warnings)))


def _without_effect(settings: Settings) -> list[str]:
    """Return one sentence that names everything that was set to something and changes nothing, if there is any."""
    found = {row: settings.sources[row.name] for row in SETTINGS if row.key.ignored and row.name in settings.sources}
    names = [
        f"{row.key.env} ({where})"
        for row, where in found.items()
        if where != BUILT_IN and settings.value(row) not in ("", ())
    ]
    return [f"set, but without effect in this version: {', '.join(dict.fromkeys(names))}"] if names else []


def _first(sources: Iterable[_Source], setting: Setting, warnings: list[str]) -> Given | None:
    for source in sources:
        if (given := source.look(setting, warnings)) is not None:
            return given
    return None


def _value_warnings(setting: Setting, given: Given, value: Any) -> list[str]:
    key = setting.key
    warnings: list[str] = []
    if key.deprecated and value:
        warnings.append(f"{key.env} ({given.where}) is deprecated; {key.deprecated}")
    if is_unrecognised(setting, given.value):
        warnings.append(f"{key.env} ({given.where}) is {given.value!r}, which is not known; {key.otherwise} is used")
    if key.env == "OPERATOR_EVENTS_TOPICS":
        renamed = ((old, new) for old, new in legacy.OPERATOR_EVENT_TOPICS.items() if old in value)
        warnings += [f"{key.env} ({given.where}): there is no topic {old}; write {new}" for old, new in renamed]
    return warnings
