"""What stands inside an action: fields, literals, calls and pipelines, compiled into nested functions.

.Signatures | join ","            the value on the left is the last argument on the right
.Timestamp.Format "2006-01-02"    a method with an argument
printf "%s" (index .Signatures 0)
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from outpost.destinations.webhook.template.functions import call, check_call
from outpost.destinations.webhook.template.values import Dot, HasMethods, TemplateError, Value

Expression = Callable[[Dot], Value]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<number>-?\d+)"""
    r"""|(?P<field>(?:\.[A-Za-z_]\w*)+|\.)|(?P<name>[A-Za-z]\w*)|(?P<sign>[|()]))""",
    re.ASCII,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


class _Token(NamedTuple):
    kind: str
    text: str


_PIPE, _OPEN, _CLOSE = _Token("sign", "|"), _Token("sign", "("), _Token("sign", ")")


def compile_expression(text: str, known: Sequence[str] | None) -> Expression:
    """Compile the text of an action.

    Args:
        known: The fields that `.` has; None where `.` is a value that only rendering knows.

    Raises:
        TemplateError: It is none, or lies outside the supported part of the language.
    """
    reader = _Reader(_tokens(text), known)
    expression = reader.pipeline()
    if reader.next is not None:
        raise TemplateError(f"{text!r}: {reader.next.text!r} is one too many")
    return expression


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise TemplateError(f"{text!r} is not understood at {text[position:].strip()[:20]!r}")
        tokens.append(_Token(found.lastgroup, found[found.lastgroup]))
        position = found.end()
    if not tokens:
        raise TemplateError("an action is empty")
    return tokens


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: Sequence[_Token], known: Sequence[str] | None) -> None:
        self._tokens = tokens
        self._known = known
        self._position = 0

    @property
    def next(self) -> _Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def pipeline(self) -> Expression:
        expression = self._command(None)
        while self.next == _PIPE:
            self._position += 1
            expression = self._command(expression)
        return expression

    def _command(self, piped: Expression | None) -> Expression:
        token = self.next
        if token is None or not _takes_arguments(token):
            if piped is not None:
                raise TemplateError(f"{token.text if token else 'nothing'!r} takes no value from a |")
            return self._operand()
        self._position += 1
        arguments: list[Expression] = []
        while self.next not in (None, _PIPE, _CLOSE):
            arguments.append(self._operand())
        if piped is not None:
            arguments.append(piped)
        return _call(token.text, arguments) if token.kind == "name" else self._field(token.text, arguments)

    def _operand(self) -> Expression:
        token = self.next
        if token is None:
            raise TemplateError("an expression is missing")
        self._position += 1
        match token.kind:
            case "string":
                return _constant(token.text[1:-1] if token.text[0] == "`" else _unquoted(token.text))
            case "number":
                return _constant(int(token.text))
            case "field":
                return self._field(token.text, [])
            case "name":
                return _constant(token.text == "true") if _is_boolean(token) else _call(token.text, [])
            case _:
                if token != _OPEN:
                    raise TemplateError(f"an expression is missing before {token.text!r}")
                return self._parenthesis()

    def _parenthesis(self) -> Expression:
        expression = self.pipeline()
        if self.next != _CLOSE:
            raise TemplateError("a ( has no )")
        self._position += 1
        return expression

    def _field(self, text: str, arguments: Sequence[Expression]) -> Expression:
        names = text[1:].split(".") if text != "." else []
        if self._known is not None and (not names or names[0] not in self._known):
            raise TemplateError(f"there is no field {text}; known are {', '.join('.' + name for name in self._known)}")
        return _field(text, names, arguments)


def _takes_arguments(token: _Token) -> bool:
    return token.kind == "field" or (token.kind == "name" and not _is_boolean(token))


def _is_boolean(token: _Token) -> bool:
    return token.kind == "name" and token.text in ("true", "false")


def _constant(value: Value) -> Expression:
    return lambda dot: value


def _unquoted(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise TemplateError(f"{found[0]!r} is not an escape")
        return _ESCAPES[found[1]]

    return re.sub(r"\\(.)", plain, text[1:-1])


def _field(text: str, names: Sequence[str], arguments: Sequence[Expression]) -> Expression:
    def value(dot: Dot) -> Value:
        found: Dot = dot
        left = [argument(dot) for argument in arguments]
        for position, name in enumerate(names, 1):
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, HasMethods):
                found = found.method(name, left if position == len(names) else [])
                left = left if position < len(names) else []
            else:
                raise TemplateError(f"there is no field {text}")
        if left:
            raise TemplateError(f"{text} takes no arguments")
        if isinstance(found, Mapping):
            raise TemplateError("a single . stands for something only within range and with")
        return found

    return value


def _call(name: str, arguments: Sequence[Expression]) -> Expression:
    check_call(name, len(arguments))
    return lambda dot: call(name, [argument(dot) for argument in arguments])
