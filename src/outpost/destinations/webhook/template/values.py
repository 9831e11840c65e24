"""What templates work with, and how it is shown."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable


class TemplateError(ValueError):
    """A template cannot be compiled or rendered; says why."""


@runtime_checkable
class HasMethods(Protocol):
    """A value with methods that templates call like fields."""

    def method(self, name: str, arguments: "Sequence[Value]") -> "Value":
        """Raises TemplateError if there is no such method, or not with these arguments."""
        ...


Value: TypeAlias = "str | int | list[Value] | HasMethods"
Fields: TypeAlias = "Mapping[str, Value]"
Dot: TypeAlias = "Fields | Value"
"""What `.` stands for: the fields of the template, or within `with` and `range` a value."""


def shown(value: Value) -> str:
    """Return a value as text. Raises TemplateError for one that has none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + " ".join(shown(each) for each in value) + "]"
    raise TemplateError("a time must be shown with .Unix, .UnixMilli or .Format")
