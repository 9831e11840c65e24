"""What a setting is: a key the operator writes, tied to the field that holds its value.

Every field of a section carries its `Key`:

    class RedisSettings(Section, frozen=True, kw_only=True):
        host: Annotated[str, Key("REDIS_HOST", "redis.host", "Host of the Redis server.")] = "127.0.0.1"

The field gives the type and the default, the key gives everything else. `outpost.config.settings.SETTINGS` is the one
table made of all of them; loading, flags, `defaults.yaml`, the documentation page and `config list` are made from it.
"""

from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any, ClassVar, Literal, get_args, get_origin

import msgspec

LARGEST_NUMBER = 2**31 - 1
"""Upper end of every number without a narrower range, so that no duration or size can overflow."""

Check = Callable[[str], str | None]
"""Takes one text value, returns what is wrong with it or None."""


class Key(msgspec.Struct, frozen=True):
    """How one setting is written and what it may hold.

    Attributes:
        env: Environment name; the flag is the same in kebab case. Two fields may share one.
        yaml: Dotted path in a YAML file; empty for settings of the process environment only.
        text: What the setting does, for people.
        secret: The value never appears in an error, a log line, a `repr` or `config list`.
        url: The value is a URL that may hold a password: shown with `mask_url`.
        unit: Unit of a number.
        minimum: Smallest number allowed, also for each element of a list.
        maximum: Largest number allowed.
        check: Further rule for a text, also for each element of a list.
        keeps_empty: Written but empty means something of its own (an "optional string"), not "unset".
        empty_means: What that is, for people.
        non_positive: Used in place of a number of zero or less.
        otherwise: Used, with a warning, in place of a value that is none of the choices.
        any_case: Choices are recognised in upper case too.
        noun: What a choice is called in an error.
        default_text: Describes a default that depends on other settings.
        aliases: Older environment names, read after `env` in the same source, with a warning.
        yaml_aliases: Older YAML paths, likewise.
        process_env: Names read from the process environment only, before `env`.
        process_only: `env` too is read from the process environment only: no file, no flag.
        shown: Name in `config list`; empty means `env` in lower case.
        ignored: Accepted so that existing configurations load, without effect.
        deprecated: What to do instead; a warning when set.
    """

    env: str
    yaml: str
    text: str
    secret: bool = False
    url: bool = False
    unit: str = ""
    minimum: int = 0
    maximum: int = LARGEST_NUMBER
    check: Check | None = None
    keeps_empty: bool = False
    empty_means: str = ""
    non_positive: int | None = None
    otherwise: str | None = None
    any_case: bool = False
    noun: str = "value"
    default_text: str = ""
    aliases: tuple[str, ...] = ()
    yaml_aliases: tuple[str, ...] = ()
    process_env: tuple[str, ...] = ()
    process_only: bool = False
    shown: str = ""
    ignored: bool = False
    deprecated: str = ""


class Kind(msgspec.Struct, frozen=True):
    """The type of a field, as far as reading text into it is concerned."""

    element: Literal["text", "number", "switch"]
    many: bool = False
    optional: bool = False
    choices: tuple[str, ...] = ()


class Setting(msgspec.Struct, frozen=True):
    """One row of the table of settings."""

    section: str
    field: str
    kind: Kind
    default: object
    key: Key

    @property
    def name(self) -> str:
        """Unique name of the row, `section.field`."""
        return f"{self.section}.{self.field}"

    @property
    def flag(self) -> str:
        return "--" + self.key.env.lower().replace("_", "-")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A group of settings that one part of Outpost takes; its `repr` masks secrets."""

    title: ClassVar[str] = ""

    def __repr__(self) -> str:
        shown: list[str] = []
        for field, annotation in section_fields(type(self)):
            key: Key = annotation.__metadata__[0]
            value = getattr(self, field)
            masked = (key.secret or key.url) and value
            shown.append(f"{field}={'***' if masked else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


def section_fields(section: type[Section]) -> Iterator[tuple[str, Any]]:
    """Yield the settings of a section as (field name, `Annotated` type), in the order they are written."""
    for field, annotation in section.__annotations__.items():
        if hasattr(annotation, "__metadata__"):
            yield field, annotation


def rows(name: str, section: type[Section]) -> Iterator[Setting]:
    """Yield the rows of the table that `section`, called `name`, contributes."""
    defaults = section()
    for field, annotation in section_fields(section):
        yield Setting(name, field, _kind(annotation.__origin__), getattr(defaults, field), annotation.__metadata__[0])


_ELEMENTS: dict[object, Literal["text", "number", "switch"]] = {str: "text", int: "number", bool: "switch"}


def _kind(annotation: Any) -> Kind:
    if isinstance(annotation, UnionType) or type(None) in get_args(annotation):
        (inner,) = (option for option in get_args(annotation) if option is not type(None))
        return msgspec.structs.replace(_kind(inner), optional=True)
    if get_origin(annotation) is Literal:
        return Kind("text", choices=get_args(annotation))
    if get_origin(annotation) is tuple:
        return Kind(_ELEMENTS[get_args(annotation)[0]], many=True)
    return Kind(_ELEMENTS[annotation])
