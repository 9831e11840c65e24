"""A point in time as templates see it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from outpost.codec import to_milliseconds
from outpost.destinations.webhook.template.values import TemplateError, Value

# Go writes a layout as the reference time Mon Jan 2 15:04:05 MST 2006 (package time, "Layout").
_PART = re.compile(
    r"2006|06|January|Jan|Monday|Mon|MST|Z07:00|Z0700|-07:00|-0700|[.,](?:0{1,9}|9{1,9})(?![0-9])|01|02|15|03|04|05"
    r"|PM|pm|1|2|3|4|5"
)
_DIRECTIVES = {
    "2006": "%Y", "06": "%y", "January": "%B", "Jan": "%b", "Monday": "%A", "Mon": "%a", "01": "%m", "02": "%d",
    "15": "%H", "03": "%I", "04": "%M", "05": "%S", "PM": "%p",
}  # fmt: skip
_ZONE = {"MST": "UTC", "Z07:00": "Z", "Z0700": "Z", "-07:00": "+00:00", "-0700": "+0000"}


class Instant:
    """A time in UTC: `.Unix`, `.UnixMilli`, `.UTC`, `.Format "2006-01-02"`."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def method(self, name: str, arguments: Sequence[Value]) -> Value:
        match name, list(arguments):
            case "Unix", []:
                return to_milliseconds(self._at) // 1000
            case "UnixMilli", []:
                return to_milliseconds(self._at)
            case "UTC", []:
                return self
            case "Format", [str() as layout]:
                return self._formatted(layout)
            case _:
                raise TemplateError(f"a time has no .{name} with {len(arguments)} arguments")

    def _formatted(self, layout: str) -> str:
        literal = _PART.sub("", layout)
        if re.search("[0-9]", literal):
            raise TemplateError(f"the time layout {layout!r} has digits that stand for no part of a time")
        return _PART.sub(lambda found: self._part(found[0]), layout)

    def _part(self, part: str) -> str:
        at = self._at
        if part in _DIRECTIVES:
            return at.strftime(_DIRECTIVES[part])
        if part in _ZONE:
            return _ZONE[part]
        if part[0] in ".,":
            digits = f"{at.microsecond:06d}000"[: len(part) - 1]
            if part[1] == "9":
                digits = digits.rstrip("0")
            return part[0] + digits if digits else ""
        if part == "pm":
            return at.strftime("%p").lower()
        return str({"1": at.month, "2": at.day, "3": (at.hour - 1) % 12 + 1, "4": at.minute, "5": at.second}[part])
