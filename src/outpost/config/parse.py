"""From the text an operator wrote to the value of a setting."""

import re

import msgspec

from outpost.config.masking import mask_url
from outpost.config.setting import LARGEST_NUMBER, Setting
from outpost.domain.errors import ConfigurationError

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_ON = {"1", "t", "T", "TRUE", "true", "True"}
_OFF = {"0", "f", "F", "FALSE", "false", "False"}
_YAML_ON = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"}
_YAML_OFF = {"n", "N", "no", "No", "NO", "off", "Off", "OFF"}


class Given(msgspec.Struct, frozen=True):
    """A value as it was written, with what an error must say about it.

    Attributes:
        value: Text, or the elements of a YAML list.
        where: "environment", "flag --redis-port", "outpost.yaml, line 3".
        yaml: Written in YAML, where more words mean on and off.
    """

    value: str | tuple[str, ...]
    where: str
    yaml: bool = False


class _Wrong(ValueError):
    """One value or element breaks the rule that the text names."""

    def __init__(self, text: str, rule: str) -> None:
        self.text = text
        super().__init__(rule)


def parse(setting: Setting, given: Given) -> object:
    """Return the value of `setting`.

    Raises:
        ConfigurationError: It has the wrong type or is out of range; names the key, where it was written, and what is
            allowed, and never a secret.
    """
    try:
        if setting.kind.many:
            return tuple(_element(setting, text, yaml=given.yaml) for text in _elements(setting, given))
        if isinstance(given.value, tuple):
            raise _Wrong("a list", "one value is expected, not a list")
        return _single(setting, given.value, yaml=given.yaml)
    except _Wrong as wrong:
        what = f"{_describe(setting, wrong.text)}: {wrong}"
        raise ConfigurationError(f"{setting.key.env} ({given.where}): {what}; allowed: {allowed(setting)}") from None


def is_unrecognised(setting: Setting, value: str | tuple[str, ...]) -> bool:
    """Say whether a choice is none of those known, and `otherwise` stands in for it."""
    return setting.key.otherwise is not None and value not in ("", *setting.kind.choices)


def allowed(setting: Setting) -> str:
    """Describe what a setting may hold."""
    key, kind = setting.key, setting.kind
    if kind.choices:
        text = ", ".join(kind.choices)
    elif kind.element == "switch":
        text = "true or false"
    elif kind.element == "number":
        text = _range(setting)
    else:
        text = "a text"
    if kind.many:
        text = "a list of whole numbers, " + text if kind.element == "number" else "a list of texts"
    return f"{text}, or empty ({key.empty_means})" if key.empty_means else text


def _range(setting: Setting) -> str:
    key = setting.key
    if key.minimum < 0:
        return "a whole number"
    if key.maximum == LARGEST_NUMBER:
        return f"{key.minimum} or more" if setting.kind.many else f"a whole number, {key.minimum} or more"
    return f"a whole number from {key.minimum} to {key.maximum}"


def _elements(setting: Setting, given: Given) -> list[str]:
    """Split at commas what is not a list yet; blanks around elements and blank texts do not count."""
    written = given.value.split(",") if isinstance(given.value, str) else given.value
    trimmed = [text.strip() for text in written]
    return trimmed if setting.kind.element == "number" and any(trimmed) else [text for text in trimmed if text]


def _single(setting: Setting, text: str, *, yaml: bool) -> object:
    kind, key = setting.kind, setting.key
    if key.keeps_empty and kind.element != "text":
        text = text.strip()
        if not text:
            return None
    return _element(setting, text, yaml=yaml)


def _element(setting: Setting, text: str, *, yaml: bool) -> object:
    match setting.kind.element:
        case "number":
            return _number(setting, text.replace("_", "") if yaml else text)
        case "switch":
            return _switch(text, yaml=yaml)
        case "text":
            return _choice(setting, text) if setting.kind.choices else _text(setting, text)


def _number(setting: Setting, text: str) -> int:
    key = setting.key
    if not _NUMBER.fullmatch(text):
        rule = "not a whole number"
        if text.startswith("tcp://"):
            rule += " (Kubernetes sets it for a service of that name; set enableServiceLinks: false)"
        raise _Wrong(text, rule)
    number = int(text)
    if not key.minimum <= number <= key.maximum:
        raise _Wrong(text, "out of range")
    return key.non_positive if key.non_positive is not None and number <= 0 else number


def _switch(text: str, *, yaml: bool) -> bool:
    if text in _ON or (yaml and text in _YAML_ON):
        return True
    if text in _OFF or (yaml and text in _YAML_OFF):
        return False
    raise _Wrong(text, "neither true nor false")


def _choice(setting: Setting, text: str) -> str:
    choice = text.lower() if setting.key.any_case else text
    if choice in setting.kind.choices:
        return choice
    if setting.key.otherwise is not None:
        return setting.key.otherwise
    raise _Wrong(text, f"invalid {setting.key.noun}")


def _text(setting: Setting, text: str) -> str:
    wrong = setting.key.check(text) if setting.key.check and text else None
    if wrong:
        raise _Wrong(text, wrong)
    return text


def _describe(setting: Setting, text: str) -> str:
    """Show what was written, or only its shape where it may be secret."""
    if setting.key.secret or setting.key.url:
        return f"a text of {len(text)} characters"
    shown = mask_url(text) if "://" in text else text
    return repr(shown if len(shown) <= 60 else shown[:60] + "...")
