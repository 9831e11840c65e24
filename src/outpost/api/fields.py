"""Reads the members of a JSON object as what they should be, and tells about all that are something else."""

from datetime import datetime
from typing import Any, cast

from msgspec import UNSET, UnsetType

from outpost.api.errors import Problem, invalid_json
from outpost.api.json_values import as_text, plain
from outpost.codec import parse_time
from outpost.domain.destination import JsonObject
from outpost.domain.errors import ValidationFailed
from outpost.domain.tenant import StringMap
from outpost.management.destination_requests import StringPatch


class Fields:
    """Reader of one object.

    Each method returns a stand-in where the member has the wrong type; `check` then raises. Call it after reading all
    members, so that the caller learns of every mistake at once.
    """

    def __init__(self, members: JsonObject) -> None:
        self._members = members
        self._mistakes: list[str] = []
        self._bad_times: list[str] = []

    def has(self, name: str) -> bool:
        return name in self._members

    def check(self) -> None:
        """Raises Problem or ValidationFailed if a member was not what it should be."""
        if self._mistakes:
            raise invalid_json(*self._mistakes)
        if self._bad_times:
            raise ValidationFailed(*self._bad_times)

    def text(self, name: str) -> str:
        """Return a text; empty if it is absent or null."""
        value = self._members.get(name)
        if value is None or isinstance(value, str):
            return value or ""
        self._mistake(f"{name} must be a string")
        return ""

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self._members.get(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self._mistake(f"{name} must be true or false")
        return default

    def instant(self, name: str) -> datetime | None:
        """Return an RFC 3339 timestamp; None if it is absent or null."""
        value = self._members.get(name)
        if value is None:
            return None
        try:
            return parse_time(value if isinstance(value, str) else "")
        except ValueError:
            self._bad_times.append(f"{name} must be an RFC 3339 timestamp, such as 2024-01-15T09:30:00Z")
            return None

    def instant_patch(self, name: str) -> datetime | UnsetType | None:
        return self.instant(name) if self.has(name) else UNSET

    def object(self, name: str) -> JsonObject | None:
        """Return an object with its numbers as numbers; None if it is absent or null."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self._mistake(f"{name} must be an object")
            return None
        try:
            return cast("JsonObject", plain(value))
        except ValueError:
            self._mistake(f"{name} holds a number that is too large")
            return None

    def object_patch(self, name: str) -> JsonObject | UnsetType | None:
        return self.object(name) if self.has(name) else UNSET

    def string_map(self, name: str) -> StringMap:
        """Return a map with every value made a text; empty if it is absent or null."""
        return {key: as_text(value) for key, value in self._map(name).items()}

    def string_patch(self, name: str) -> StringPatch | UnsetType | None:
        """Return a map in which None deletes a key; None as a whole clears, UNSET leaves alone."""
        if not self.has(name):
            return UNSET
        if self._members[name] is None:
            return None
        return {key: None if value is None else as_text(value) for key, value in self._map(name).items()}

    def strict_string_map(self, name: str) -> StringMap:
        """Return a map whose values must be texts; null counts as an empty text."""
        texts: StringMap = {}
        for key, value in self._map(name).items():
            if value is None or isinstance(value, str):
                texts[key] = value or ""
            else:
                self._mistake(f"{name}.{key} must be a string")
        return texts

    def topics(self, name: str) -> tuple[str, ...] | None:
        """Return a list of topics, or `("*",)` for the text `*`; None if it is absent or null.

        Raises:
            Problem: It has another shape.
        """
        value = self._members.get(name)
        if value is None:
            return None
        if value == "*":
            return ("*",)
        if isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value)):
            return tuple(cast("list[str]", value))
        raise Problem(422, "validation failed: invalid topics format", [f'{name} must be "*" or a list of topic names'])

    def _map(self, name: str) -> JsonObject:
        value = self._members.get(name)
        if value is None:
            return {}
        if isinstance(value, dict):
            return cast("JsonObject", value)
        self._mistake(f"{name} must be an object")
        return {}

    def _mistake(self, sentence: str) -> None:
        self._mistakes.append(sentence)
