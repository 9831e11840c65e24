"""How stored text is written: JSON as the reference writes it, and instants.

The JSON form matters byte for byte: two programs may share one store, and a migration compares what it wrote.

- object keys sorted, no spaces; records keep the order of their fields;
- `<`, `>`, `&`, U+2028 and U+2029 as `\\u003c` ...; all other non-ASCII raw;
- control characters as `\\n \\r \\t \\b \\f`, the rest as `\\u00xx`; what cannot be written in UTF-8 as `\\ufffd`;
- floats in their shortest form, with an exponent only below 1e-6 and from 1e21.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    | {chr(code): "\\ufffd" for code in range(0xD800, 0xE000)}  # surrogates on their own have no UTF-8 form
)
_NEEDS_ESCAPE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


def write_json(value: Any) -> str:
    """Return `value` (None, booleans, numbers, texts, lists, mappings with text keys) as JSON.

    Raises:
        ValueError: A float is not finite.
        TypeError: A value has no JSON form.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _write_text(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, Mapping):
        items = sorted(cast("Mapping[str, Any]", value).items())
        return "{" + ",".join(f"{_write_text(key)}:{write_json(item)}" for key, item in items) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ",".join(map(write_json, cast("Sequence[Any]", value))) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def write_string_map(value: Mapping[str, str] | None) -> str:
    """Return a map of texts as JSON; None is `null`."""
    return _escaped(_ENCODER.encode(value))


def read_string_map(text: str | bytes) -> dict[str, str]:
    """Return what `write_string_map` wrote; `null` is an empty map.

    Raises:
        ValueError: It is not a JSON object of texts. The message shows nothing of the content.
    """
    # The parser's own error holds the text, which may be a secret, so it is not chained.
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = ...
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in cast("dict[str, Any]", value).values()):
        raise ValueError("not a JSON object of texts")
    return cast("dict[str, str]", value)


def salvage_string_map(text: str | bytes) -> dict[str, str]:
    """Return what can be shown of a stored map of texts: values that are no texts as JSON, of anything else nothing."""
    try:
        return read_string_map(text)
    except ValueError:
        pass
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {
        key: item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
        for key, item in cast("dict[str, Any]", value).items()
    }


def write_summary(
    destination_id: str,
    destination_type: str,
    topics: Sequence[str],
    *,
    condition: Mapping[str, Any] | None,
    disabled: bool,
) -> str:
    """Return the record of one destination in a tenant's summary; an empty condition (filter) is left out."""
    fields = [
        f'"id":{_write_text(destination_id)}',
        f'"type":{_write_text(destination_type)}',
        f'"topics":{write_json(topics)}',
    ]
    if condition:
        fields.append(f'"filter":{write_json(condition)}')
    fields.append(f'"disabled":{write_json(disabled)}')
    return "{" + ",".join(fields) + "}"


def format_time(instant: datetime) -> str:
    """Return an aware instant as RFC 3339 in UTC, with a fraction only as far as it is not zero."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    text = instant.isoformat()[:19]
    if instant.microsecond:
        text += f".{instant.microsecond:06}".rstrip("0")
    return text + "Z"


def format_seconds(instant: datetime) -> str:
    """Return an aware instant as RFC 3339 in UTC, cut to whole seconds."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat()[:19] + "Z"


def parse_time(text: str) -> datetime:
    """Return an RFC 3339 timestamp (0 to 9 fraction digits) as aware UTC, cut to microseconds.

    Raises:
        ValueError: It is no such timestamp, or lies outside the years 1 to 9999.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 timestamp: {text!r}")
    seconds, fraction, zone = match.groups()
    microseconds = (fraction or "").ljust(6, "0")[:6]
    try:
        instant = datetime.fromisoformat(f"{seconds}.{microseconds}{'+00:00' if zone == 'Z' else zone}")
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"not an RFC 3339 timestamp: {text!r}") from None


def to_microseconds(instant: datetime) -> int:
    """Return the microseconds between 1970 and an aware instant."""
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return the aware UTC instant so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_milliseconds(instant: datetime) -> int:
    """Return the whole milliseconds between 1970 and an aware instant, rounded down."""
    return (instant - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    """Return the aware UTC instant so many milliseconds after 1970."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def cut_to_milliseconds(instant: datetime) -> datetime:
    """Return an aware instant in UTC without what is finer than a millisecond."""
    return from_milliseconds(to_milliseconds(instant))


def _write_text(text: str) -> str:
    return _escaped(_ENCODER.encode(text))


def _escaped(text: str) -> str:
    # The five characters and the surrogates occur only inside texts, so the whole JSON can be replaced at once.
    return text.translate(_ESCAPES) if _NEEDS_ESCAPE.search(text) else text


def _write_float(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{value} has no JSON form")
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    sign, digits, exponent = _shortest_digits(value)
    point = len(digits) + exponent  # value = 0.digits * 10**point
    if -6 < point <= 21:
        return sign + _plain(digits, point)
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{point - 1:+d}"


def _shortest_digits(value: float) -> tuple[str, str, int]:
    """Return sign, significant digits and exponent, so that value = digits * 10**exponent; `repr` is shortest."""
    mantissa, _, power = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    digits = (whole + fraction).lstrip("0")
    exponent = int(power or 0) - len(fraction)
    stripped = digits.rstrip("0")
    return ("-" if value < 0 else ""), stripped, exponent + len(digits) - len(stripped)


def _plain(digits: str, point: int) -> str:
    if point <= 0:
        return "0." + "0" * -point + digits
    if len(digits) <= point:
        return digits.ljust(point, "0")
    return f"{digits[:point]}.{digits[point:]}"
