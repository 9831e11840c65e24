"""The part of Go's template language that signature and secret settings are documented to use.

Text with actions in double braces: fields (`.EventID`, `.Timestamp.Unix`), literals, function calls, pipelines, and
`if`, `else`, `with`, `range`, `end`; `{{-` and `-}}` trim the text beside them. Templates are compiled at start; what
lies outside this part is refused there, with the place of the fault.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Expression = Callable[[Any], Any]
Step = Callable[[Any, list[str]], None]


class TemplateError(ValueError):
    """A template that cannot be compiled or rendered; says why."""


class Template:
    """A compiled template."""

    def __init__(self, text: str) -> None:
        """Raises TemplateError."""
        self._steps = _Parser(text).template()

    def render(self, fields: Mapping[str, Any]) -> str:
        """Raises TemplateError, e.g. for a field that is not there."""
        parts: list[str] = []
        _run(self._steps, fields, parts)
        return "".join(parts)


class Instant:
    """A point in time as templates see it: `.Unix`, `.UnixMilli`, `.Format "2006-01-02"`."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def method(self, name: str, arguments: Sequence[Any]) -> Any:
        match name, list(arguments):
            case "Unix", []:
                return int(self._at.timestamp())
            case "UnixMilli", []:
                return int(self._at.timestamp() * 1000)
            case "Format", [str() as layout]:
                return _LAYOUT.sub(lambda found: _formatted(self._at, found[0]), layout)
            case _:
                raise TemplateError(f"a time has no .{name} with {len(arguments)} arguments")


def _run(steps: Sequence[Step], dot: Any, parts: list[str]) -> None:
    for step in steps:
        step(dot, parts)


# --- parsing

_ACTION = re.compile(r"\{\{(- )?\s*(.*?)\s*( -)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?P<number>-?\d+)|(?P<field>\.[A-Za-z_][A-Za-z0-9_.]*|\.)"""
    r"""|(?P<name>[A-Za-z][A-Za-z0-9]*)|(?P<sign>[|()]))"""
)


class _Parser:
    """Turns text into steps, innermost block first."""

    def __init__(self, text: str) -> None:
        self._pieces = self._split(text)
        self._next = 0

    def template(self) -> list[Step]:
        steps, end = self._block()
        if end is not None:
            raise TemplateError(f"{{{{{end}}}}} without a beginning")
        return steps

    def _split(self, text: str) -> list[tuple[bool, str]]:
        pieces: list[tuple[bool, str]] = []
        start, trim = 0, False
        for found in _ACTION.finditer(text):
            before = text[start : found.start()]
            before = before.lstrip() if trim else before
            pieces.append((False, before.rstrip() if found[1] else before))
            pieces.append((True, found[2]))
            start, trim = found.end(), bool(found[3])
        rest = text[start:]
        if "{{" in rest:
            raise TemplateError("a {{ has no }}")
        pieces.append((False, rest.lstrip() if trim else rest))
        return pieces

    def _block(self) -> tuple[list[Step], str | None]:
        """Return steps up to the end of the block, and the word that ended it."""
        steps: list[Step] = []
        while self._next < len(self._pieces):
            is_action, text = self._pieces[self._next]
            self._next += 1
            if not is_action:
                if text:
                    steps.append(_text(text))
                continue
            word = text.split(" ", 1)[0]
            if word in ("end", "else"):
                return steps, text
            steps.append(self._action(word, text))
        return steps, None

    def _action(self, word: str, text: str) -> Step:
        if word not in ("if", "with", "range"):
            return _output(_expression(text))
        condition = _expression(text[len(word) :])
        steps, end = self._block()
        otherwise: list[Step] = []
        if end == "else":
            otherwise, end = self._block()
        if end != "end":
            raise TemplateError(f"{{{{{word}}}}} has no {{{{end}}}}")
        return _CONTROLS[word](condition, steps, otherwise)


def _text(text: str) -> Step:
    return lambda dot, parts: parts.append(text)


def _output(expression: Expression) -> Step:
    return lambda dot, parts: parts.append(_shown(expression(dot)))


def _if(condition: Expression, steps: list[Step], otherwise: list[Step]) -> Step:
    return lambda dot, parts: _run(steps if _true(condition(dot)) else otherwise, dot, parts)


def _with(condition: Expression, steps: list[Step], otherwise: list[Step]) -> Step:
    def run(dot: Any, parts: list[str]) -> None:
        value = condition(dot)
        if _true(value):
            _run(steps, value, parts)
        else:
            _run(otherwise, dot, parts)

    return run


def _range(condition: Expression, steps: list[Step], otherwise: list[Step]) -> Step:
    def run(dot: Any, parts: list[str]) -> None:
        values = condition(dot)
        if not isinstance(values, list):
            raise TemplateError("range needs a list")
        for value in values:
            _run(steps, value, parts)
        if not values:
            _run(otherwise, dot, parts)

    return run


_CONTROLS = {"if": _if, "with": _with, "range": _range}


def _true(value: Any) -> bool:
    return bool(value)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + " ".join(_shown(each) for each in value) + "]"
    raise TemplateError("a time must be shown with .Unix, .UnixMilli or .Format")


# --- expressions


def _expression(text: str) -> Expression:
    tokens = _tokens(text)
    expression, rest = _pipeline(tokens)
    if rest:
        raise TemplateError(f"{text!r}: {rest[0][1]!r} is one too many")
    return expression


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None:
            raise TemplateError(f"{text!r} is not understood at {text[position:].strip()[:20]!r}")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        position = found.end()
    if not tokens:
        raise TemplateError("an empty action")
    return tokens


def _pipeline(tokens: list[tuple[str, str]]) -> tuple[Expression, list[tuple[str, str]]]:
    expression, rest = _command(tokens, None)
    while rest and rest[0] == ("sign", "|"):
        expression, rest = _command(rest[1:], expression)
    return expression, rest


def _command(tokens: list[tuple[str, str]], piped: Expression | None) -> tuple[Expression, list[tuple[str, str]]]:
    if not tokens:
        raise TemplateError("an expression is missing")
    kind, text = tokens[0]
    arguments: list[Expression] = []
    if kind in ("name", "field"):
        rest = tokens[1:]
        while rest and rest[0] not in (("sign", "|"), ("sign", ")")):
            argument, rest = _operand(rest)
            arguments.append(argument)
    else:
        operand, rest = _operand(tokens)
        if piped is not None:
            raise TemplateError(f"{text!r} takes nothing from a |")
        return operand, rest
    if piped is not None:
        arguments.append(piped)
    return (_call(text, arguments) if kind == "name" else _field(text, arguments)), rest


def _operand(tokens: list[tuple[str, str]]) -> tuple[Expression, list[tuple[str, str]]]:
    (kind, text), rest = tokens[0], tokens[1:]
    match kind:
        case "string":
            value = text[1:-1] if text[0] == "`" else _unquoted(text)
            return (lambda dot: value), rest
        case "number":
            number = int(text)
            return (lambda dot: number), rest
        case "field":
            return _field(text, []), rest
        case "sign" if text == "(":
            expression, rest = _pipeline(rest)
            if not rest or rest[0] != ("sign", ")"):
                raise TemplateError("a ( has no )")
            return expression, rest[1:]
        case "name" if text in ("true", "false"):
            return (lambda dot: text == "true"), rest
        case _:
            return _call(text, []), rest


def _unquoted(text: str) -> str:
    escapes = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "r": "\r"}

    def plain(found: re.Match[str]) -> str:
        if found[1] not in escapes:
            raise TemplateError(f"{found[0]!r} is not an escape")
        return escapes[found[1]]

    return re.sub(r"\\(.)", plain, text[1:-1])


def _field(text: str, arguments: list[Expression]) -> Expression:
    names = [name for name in text.split(".") if name]

    def value(dot: Any) -> Any:
        found = dot
        for position, name in enumerate(names):
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, Instant):
                last = position == len(names) - 1
                found = found.method(name, [argument(dot) for argument in arguments] if last else [])
            else:
                raise TemplateError(f"there is no field {text}")
        return found

    return value


def _call(name: str, arguments: list[Expression]) -> Expression:
    function = _FUNCTIONS.get(name)
    if function is None:
        raise TemplateError(f"there is no function {name}; known are {', '.join(sorted(_FUNCTIONS))}")

    def value(dot: Any) -> Any:
        values = [argument(dot) for argument in arguments]
        try:
            return function(*values)
        except TemplateError:
            raise
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise TemplateError(f"{name}: {error}") from None

    return value


def _printf(form: str, *values: Any) -> str:
    rest = list(values)

    def shown(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        if not rest:
            raise TemplateError(f"printf {form!r} has too few values")
        return _shown(rest.pop(0))

    text = re.sub(r"%[sdv%]", shown, form)
    if rest:
        raise TemplateError(f"printf {form!r} has too many values")
    return text


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "join": lambda separator, values: separator.join(_shown(value) for value in values),
    "index": lambda values, position: values[position],
    "len": len,
    "printf": _printf,
    "upper": lambda text: text.upper(),
    "lower": lambda text: text.lower(),
    "trim": lambda text: text.strip(),
    "replace": lambda old, new, text: text.replace(old, new),
    "trimPrefix": lambda prefix, text: text.removeprefix(prefix),
    "trimSuffix": lambda suffix, text: text.removesuffix(suffix),
    "quote": lambda *texts: " ".join(
        '"' + _shown(text).replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts
    ),
    "first": lambda values: values[0] if values else "",
    "last": lambda values: values[-1] if values else "",
    "rest": lambda values: values[1:],
    "slice": lambda values, *bounds: values[slice(*(bounds if len(bounds) == 2 else (*bounds, None)))],
    "default": lambda fallback, value=None: value or fallback,
    "b64enc": lambda text: base64.b64encode(text.encode()).decode(),
    "b64dec": lambda text: base64.b64decode(text).decode(),
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
}

# Go writes a layout as the reference time Mon Jan 2 15:04:05 MST 2006.
_LAYOUT = re.compile(
    r"2006|06|January|Jan|Monday|Mon|MST|Z07:00|-07:00|-0700|\.0{3,9}|01|02|15|03|04|05|PM|pm|1|2|3|4|5"
)
_DIRECTIVES = {
    "2006": "%Y", "06": "%y", "January": "%B", "Jan": "%b", "Monday": "%A", "Mon": "%a", "01": "%m", "02": "%d",
    "15": "%H", "03": "%I", "04": "%M", "05": "%S", "PM": "%p",
}  # fmt: skip


def _formatted(at: datetime, part: str) -> str:
    if part in _DIRECTIVES:
        return at.strftime(_DIRECTIVES[part])
    if part.startswith("."):
        return "." + f"{at.microsecond:06d}000"[: len(part) - 1]
    numbers = {"1": at.month, "2": at.day, "3": (at.hour - 1) % 12 + 1, "4": at.minute, "5": at.second}
    if part in numbers:
        return str(numbers[part])
    return {"MST": "UTC", "Z07:00": "Z", "-07:00": "+00:00", "-0700": "+0000", "pm": at.strftime("%p").lower()}[part]
