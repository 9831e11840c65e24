"""JSON of a request body, read so that nothing is lost: a number keeps the text it was sent as.

Bodies of the management API are small. The one that comes by the thousand has a decoder of its own, in
`routes/publish.py`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NoReturn, cast

import msgspec

from outpost.api.errors import Problem, invalid_json
from outpost.codec import write_json
from outpost.domain.destination import JsonObject
from outpost.domain.errors import ValidationFailed

_BLANKS = " \t\n\r"
_SURROGATE = re.compile("[\ud800-\udfff]")
_DEEPEST = 128
_LONGEST_NUMBER = 400
"""Digits to which an exponent is written out; beyond, the number stays as it was sent."""


class Number(msgspec.Struct, frozen=True):
    """A JSON number by its text."""

    text: str


def parse_object(body: bytes) -> JsonObject:
    """Return the JSON object of a body; `null` counts as an empty one, and what follows the first value as nothing.

    Raises:
        Problem: It is not JSON, or another kind of value.
        ValidationFailed: A text holds a NUL character, which no store can be relied on to keep.
    """
    return as_object(first_value(body)[0])


def as_object(value: Any) -> JsonObject:
    """Return a parsed value that must be an object. Raises Problem."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_json("the body must be a JSON object")
    return cast("JsonObject", value)


def first_value(body: bytes, *, as_sent: str = "") -> tuple[Any, bytes]:
    """Return the first JSON value of a body, and the bytes it was read from. Raises as `parse_object`.

    Args:
        as_sent: A member of the object that is kept as its text: it may hold NUL characters, and nest as deeply as it
            can be parsed.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise invalid_json("the body must be UTF-8 text") from None
    start = len(text) - len(text.lstrip(_BLANKS))
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise invalid_json(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    if text.count("[") + text.count("{") > _DEEPEST:
        _check_depth(value, as_sent)
    if "\\u" in text:  # only an escape can bring in what is checked here
        _check_texts(value, as_sent)
    return value, text[start:end].encode()


def plain(value: Any) -> Any:
    """Return a parsed value with numbers as int or float.

    Raises:
        ValueError: A number is too large for a float.
    """
    if isinstance(value, Number):
        return _as_number(value.text)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in cast("JsonObject", value).items()}
    if isinstance(value, list):
        return [plain(item) for item in cast("list[Any]", value)]
    return value


def as_text(value: Any) -> str:
    """Return a value of a string map as text.

    Texts stay, `null` is empty, booleans are `true` and `false`, numbers keep every digit and lose their exponent, and
    objects and arrays become JSON with sorted keys.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, Number):
        return _without_exponent(value.text)
    return _json_text(value)


def _json_text(value: Any) -> str:
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        items = sorted(cast("JsonObject", value).items())
        return "{" + ",".join(f"{write_json(name)}:{_json_text(item)}" for name, item in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json_text, cast("list[Any]", value))) + "]"
    return write_json(value)


def _without_exponent(text: str) -> str:
    if "e" not in text and "E" not in text:
        return text
    exponent = re.split("[eE]", text)[1]
    if len(exponent) > 4 or abs(int(exponent)) > _LONGEST_NUMBER:
        return text
    return format(Decimal(text), "f")


def _as_number(text: str) -> int | float:
    if text.lstrip("-").isdigit():
        if len(text) > _LONGEST_NUMBER:
            raise ValueError("number too large")
        return int(text)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("number too large")
    return number


def _check_depth(value: Any, as_sent: str) -> None:
    """Refuse what could not be walked through later."""
    members = cast("JsonObject", value).items() if isinstance(value, dict) else [("", value)]
    layer: list[Any] = [item for name, item in members if name != as_sent]
    for _ in range(_DEEPEST):
        layer = [part for item in layer for part in _parts(item)]
        if not layer:
            return
    raise _too_deep()


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("JsonObject", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()


def _too_deep() -> Problem:
    return invalid_json("the body is nested too deeply")


def _check_texts(value: Any, as_sent: str) -> None:
    members: Mapping[str, Any] = cast("JsonObject", value) if isinstance(value, dict) else {"the body": value}
    for name, item in members.items():
        texts = [name, *_texts_of(item)]
        shown = _SURROGATE.sub("\ufffd", name.replace("\0", "\ufffd"))
        if any(_SURROGATE.search(text) for text in texts):
            raise invalid_json(f"{shown} holds half of a surrogate pair")
        if name != as_sent and any("\0" in text for text in texts):
            raise ValidationFailed(f"{shown} must not contain NUL characters")


def _texts_of(value: Any) -> list[str]:
    """Return all texts inside a value; a list of things to do instead of recursion, so that no depth is too deep."""
    texts: list[str] = []
    left: list[Any] = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict):
            texts.extend(cast("JsonObject", item))
            left.extend(cast("JsonObject", item).values())
        elif isinstance(item, list):
            left.extend(cast("list[Any]", item))
    return texts


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse_constant)
