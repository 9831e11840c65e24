"""Text and actions: a template cut into pieces and compiled into steps, the innermost block first."""

import re
from collections.abc import Callable, Sequence

from outpost.destinations.webhook.template.expressions import Expression, compile_expression
from outpost.destinations.webhook.template.values import Dot, Fields, TemplateError, shown

_ACTION = re.compile(r"\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}", re.DOTALL)
_KEYWORD = re.compile(r"(if|with|range|else|end)\b(?:\s+(.*))?", re.DOTALL)

Step = Callable[[Dot, list[str]], None]


class Template:
    """A compiled template."""

    def __init__(self, text: str, *, fields: Sequence[str]) -> None:
        """Args:
            fields: Those that a rendering will have; a template that names another is refused.

        Raises:
            TemplateError: Says what is wrong.
        """
        self._steps = _Parser(_pieces(text), fields).template()

    def render(self, fields: Fields) -> str:
        """Raises TemplateError, e.g. for a position that a list does not have."""
        parts: list[str] = []
        _run(self._steps, fields, parts)
        return "".join(parts)


class _Text(str):
    """Text outside of actions."""

    __slots__ = ()


class _Action(str):
    """What stands between the braces."""

    __slots__ = ()


def _pieces(text: str) -> list[_Text | _Action]:
    pieces: list[_Text | _Action] = []
    start, trims = 0, False
    for found in _ACTION.finditer(text):
        before = text[start : found.start()]
        before = before.lstrip() if trims else before
        pieces += [_Text(before.rstrip() if found[1] else before), _Action(found[2])]
        start, trims = found.end(), bool(found[3])
    rest = text[start:]
    if "{{" in rest:
        raise TemplateError("a {{ has no }}")
    pieces.append(_Text(rest.lstrip() if trims else rest))
    return pieces


class _Parser:
    """Turns pieces into steps."""

    def __init__(self, pieces: Sequence[_Text | _Action], fields: Sequence[str]) -> None:
        self._pieces = iter(pieces)
        self._fields = fields

    def template(self) -> list[Step]:
        steps, end = self._block(self._fields)
        if end is not None:
            raise TemplateError(f"{{{{{end}}}}} without a beginning")
        return steps

    def _block(self, known: Sequence[str] | None) -> tuple[list[Step], str | None]:
        """Return the steps up to the end of a block, and the action that ended it."""
        steps: list[Step] = []
        for piece in self._pieces:
            if isinstance(piece, _Text):
                steps.append(_text(piece))
                continue
            keyword = _KEYWORD.fullmatch(piece)
            if keyword is None:
                steps.append(_output(compile_expression(piece, known)))
            elif keyword[1] in ("end", "else"):
                return steps, str(piece)
            else:
                steps.append(self._control(keyword[1], keyword[2] or "", known))
        return steps, None

    def _control(self, word: str, condition_text: str, known: Sequence[str] | None) -> Step:
        condition = compile_expression(condition_text, known)
        steps, end = self._block(known if word == "if" else None)  # the others give `.` another meaning
        otherwise: list[Step] = []
        if end == "else":
            otherwise, end = self._block(known)
        elif end is not None and (chained := re.fullmatch(r"else\s+if\s+(.*)", end, re.DOTALL)):
            return _CONTROLS[word](condition, steps, [self._control("if", chained[1], known)])
        if end != "end":
            raise TemplateError(f"{{{{{word}}}}} has no {{{{end}}}}" + (f" before {{{{{end}}}}}" if end else ""))
        return _CONTROLS[word](condition, steps, otherwise)


def _run(steps: Sequence[Step], dot: Dot, parts: list[str]) -> None:
    for step in steps:
        step(dot, parts)


def _text(text: str) -> Step:
    return lambda dot, parts: parts.append(text)


def _output(expression: Expression) -> Step:
    return lambda dot, parts: parts.append(shown(expression(dot)))


def _if(condition: Expression, steps: Sequence[Step], otherwise: Sequence[Step]) -> Step:
    return lambda dot, parts: _run(steps if condition(dot) else otherwise, dot, parts)


def _with(condition: Expression, steps: Sequence[Step], otherwise: Sequence[Step]) -> Step:
    def run(dot: Dot, parts: list[str]) -> None:
        value = condition(dot)
        if value:
            _run(steps, value, parts)
        else:
            _run(otherwise, dot, parts)

    return run


def _range(condition: Expression, steps: Sequence[Step], otherwise: Sequence[Step]) -> Step:
    def run(dot: Dot, parts: list[str]) -> None:
        values = condition(dot)
        if not isinstance(values, list):
            raise TemplateError("range needs a list")
        for value in values:
            _run(steps, value, parts)
        if not values:
            _run(otherwise, dot, parts)

    return run


_CONTROLS = {"if": _if, "range": _range, "with": _with}
