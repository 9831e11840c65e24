"""How names and parameters are written.

A parameter is written as in a tab-separated file: strings are escaped, and those in a list quoted too.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

Value = str | int | float | bool | datetime | None | Sequence["Value"]

_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\0": r"\0", "\b": r"\b", "\f": r"\f"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def quoted_identifier(name: str) -> str:
    """Return a table's or column's name so that any character may be in it."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def parameter_text(value: Value) -> str:
    """Return a value as the text of a parameter."""
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if value is None:
        return r"\N"
    return literal(value)


def literal(value: Value) -> str:
    """Return a value as it is written in a statement, a sequence as an array."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            escaped = value.translate(_ESCAPES).replace("'", r"\'")
            return f"'{escaped}'"
        case datetime():
            return _seconds(value)
        case _:
            return f"[{','.join(map(literal, value))}]"


def _seconds(moment: datetime) -> str:
    """Return seconds since the epoch: unlike a date, they do not depend on the server's time zone."""
    microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
    # With fewer digits ClickHouse takes the first four for a year.
    return f"{microseconds // 1_000_000:010d}.{microseconds % 1_000_000:06d}"


def first_line(text: str, limit: int = 300) -> str:
    """Return the first line, shortened: what a server says may quote what it was sent."""
    line = re.split(r"[\r\n]", text.strip(), maxsplit=1)[0]
    return line if len(line) <= limit else line[:limit] + "…"
