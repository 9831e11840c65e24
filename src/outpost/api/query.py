"""The query string, with every spelling of an array that clients use.

    topic[0]=a&topic[1]=b     indexed: any integers, in their order
    topic[]=a&topic[]=b       empty brackets
    topic=a&topic=b           repeated

Where several spellings of one name meet, the first of this list counts. Commas do not separate. What cannot be decoded
is ignored, as are unknown names.
"""

import re
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from outpost.api.errors import Problem, invalid_query
from outpost.codec import parse_time
from outpost.ports.log_store import TimeWindow

_BROKEN_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")
_INDEXED = re.compile(r"(.+)\[(-?[0-9]{1,9})\]", re.DOTALL)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Query:
    """The parameters of one request."""

    def __init__(self, query_string: bytes) -> None:
        self._pairs = [pair for part in query_string.decode("latin-1").split("&") if (pair := _pair(part))]

    def one(self, name: str) -> str | None:
        """Return a single-valued parameter; None if it is absent or empty."""
        return next((value for key, value in self._pairs if key == name), None) or None

    def many(self, name: str) -> list[str] | None:
        """Return an array parameter in any spelling; None if it is absent. An empty value is an element."""
        indexed: dict[int, str] = {}
        bracketed: list[str] = []
        plain: list[str] = []
        for key, value in self._pairs:
            if key == name:
                plain.append(value)
            elif key == f"{name}[]":
                bracketed.append(value)
            elif (match := _INDEXED.fullmatch(key)) and match[1] == name:
                indexed.setdefault(int(match[2]), value)
        if indexed:
            return [value for _, value in sorted(indexed.items())]
        return bracketed or plain or None

    def time_window(self) -> TimeWindow:
        """Return the bounds of `time[gte]`, `time[lte]`, `time[gt]` and `time[lt]`.

        Raises:
            Problem: A bound is no time, or the operator is `any`.
        """
        if any(key == "time[any]" for key, _ in self._pairs):
            raise Problem(400, "operator 'any' is not supported, use 'gte', 'lte', 'gt', or 'lt'")
        return TimeWindow(gte=self._bound("gte"), lte=self._bound("lte"), gt=self._bound("gt"), lt=self._bound("lt"))

    def _bound(self, operator: str) -> datetime | None:
        text = self.one(f"time[{operator}]")
        if text is None:
            return None
        try:
            if _DATE.fullmatch(text):
                return datetime.fromisoformat(text).replace(tzinfo=UTC)
            return parse_time(text)
        except ValueError:
            raise invalid_query(
                f"time[{operator}]",
                "invalid format, expected RFC3339 (e.g. 2024-01-15T09:30:00Z or 2024-01-15T09:30:00.123Z) "
                "or YYYY-MM-DD",
            ) from None


def _pair(part: str) -> tuple[str, str] | None:
    if not part or ";" in part or _BROKEN_ESCAPE.search(part):
        return None
    name, _, value = part.partition("=")
    return _decoded(name), _decoded(value)


def _decoded(text: str) -> str:
    # Nothing stored holds a NUL, and not every store can be asked for one.
    raw = unquote_to_bytes(text.replace("+", " ").encode("latin-1"))
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")
