"""The functions of templates, each as Go's text/template or the Sprig library defines it."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from outpost.destinations.webhook.template.values import TemplateError, Value, shown

_VERB = re.compile(r"%(.?)", re.DOTALL)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Function:
    """A function, and how many arguments it takes; no `most` means any number."""

    run: Callable[[Sequence[Value]], Value]
    least: int
    most: int | None


def call(name: str, given: Sequence[Value]) -> Value:
    """Call a function of FUNCTIONS. Raises TemplateError if it cannot work with these arguments."""
    try:
        return FUNCTIONS[name].run(given)
    except TemplateError as error:
        raise TemplateError(f"{name}: {error}") from None


def check_call(name: str, count: int) -> None:
    """Raise TemplateError if there is no such function, or it does not take so many arguments."""
    function = FUNCTIONS.get(name)
    if function is None:
        raise TemplateError(f"there is no function {name}; known are {', '.join(FUNCTIONS)}")
    if count < function.least or (function.most is not None and count > function.most):
        raise TemplateError(f"{name} does not take {count} arguments")


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    raise TemplateError(f"a text is needed, not {_named(value)}")


def _number(value: Value) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TemplateError(f"a number is needed, not {_named(value)}")


def _list(value: Value) -> list[Value]:
    if isinstance(value, list):
        return value
    raise TemplateError(f"a list is needed, not {_named(value)}")


def _named(value: Value) -> str:
    # Never the value itself: it may be a secret.
    match value:
        case str():
            return "a text"
        case bool():
            return "true or false"
        case int():
            return "a number"
        case list():
            return "a list"
        case _:
            return "a time"


def _position(value: Value, end: int) -> int:
    position = _number(value)
    if 0 <= position <= end:
        return position
    raise TemplateError(f"there is no position {position}")


def _index(values: list[Value], position: Value) -> Value:
    return values[_position(position, len(values) - 1)]


def _slice(values: list[Value], bounds: Sequence[Value]) -> Value:
    first, last = [*(_position(bound, len(values)) for bound in bounds), *(0, len(values))[len(bounds) :]]
    return values[first:last]


def _len(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))  # Go counts bytes
    return len(_list(value))


def _quoted(value: Value) -> str:
    escaped = (_ESCAPES.get(each, each if each.isprintable() else f"\\u{ord(each):04x}") for each in shown(value))
    return f'"{"".join(escaped)}"'


def _printf(form: str, values: Sequence[Value]) -> str:
    left = list(values)

    def written(found: re.Match[str]) -> str:
        verb = found[1]
        if verb == "%":
            return "%"
        if verb not in ("s", "d", "v"):
            raise TemplateError("only %s, %d, %v and %% are known")
        if not left:
            raise TemplateError(f"{form!r} has too few values")
        value = left.pop(0)
        return str(_number(value)) if verb == "d" else shown(value)

    text = _VERB.sub(written, form)
    if left:
        raise TemplateError(f"{form!r} has too many values")
    return text


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        raise TemplateError("this is not the base64 of a text") from None


FUNCTIONS: Mapping[str, Function] = {
    "b64dec": Function(lambda given: _decoded(_text(given[0])), 1, 1),
    "b64enc": Function(lambda given: base64.b64encode(_text(given[0]).encode()).decode(), 1, 1),
    "default": Function(lambda given: given[-1] or given[0], 1, 2),
    "first": Function(lambda given: next(iter(_list(given[0])), ""), 1, 1),
    "index": Function(lambda given: _index(_list(given[0]), given[1]), 2, 2),
    "join": Function(lambda given: _text(given[0]).join(map(shown, _list(given[1]))), 2, 2),
    "last": Function(lambda given: next(reversed(_list(given[0])), ""), 1, 1),
    "len": Function(lambda given: _len(given[0]), 1, 1),
    "lower": Function(lambda given: _text(given[0]).lower(), 1, 1),
    "printf": Function(lambda given: _printf(_text(given[0]), given[1:]), 1, None),
    "quote": Function(lambda given: " ".join(map(_quoted, given)), 0, None),
    "replace": Function(lambda given: _text(given[2]).replace(_text(given[0]), _text(given[1])), 3, 3),
    "rest": Function(lambda given: _list(given[0])[1:], 1, 1),
    "sha256sum": Function(lambda given: hashlib.sha256(_text(given[0]).encode()).hexdigest(), 1, 1),
    "slice": Function(lambda given: _slice(_list(given[0]), given[1:]), 1, 3),
    "trim": Function(lambda given: _text(given[0]).strip(), 1, 1),
    "trimPrefix": Function(lambda given: _text(given[1]).removeprefix(_text(given[0])), 2, 2),
    "trimSuffix": Function(lambda given: _text(given[1]).removesuffix(_text(given[0])), 2, 2),
    "upper": Function(lambda given: _text(given[0]).upper(), 1, 1),
}
