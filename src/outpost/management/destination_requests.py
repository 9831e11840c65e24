"""What a caller asks for when creating or changing a destination, and how it combines with what is stored."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from outpost.domain.destination import JsonObject
from outpost.domain.identifiers import DestinationId
from outpost.domain.tenant import StringMap

StringPatch = dict[str, str | None]
"""Members to set, and with None those to delete."""


class NewDestination(msgspec.Struct, frozen=True, kw_only=True):
    """A destination to create.

    Attributes:
        id: None lets Outpost choose.
        created_at: Aware UTC, like the other two. None means now.
        updated_at: None means `created_at`.
    """

    type: str
    topics: tuple[str, ...]
    id: DestinationId | None = None
    filter: JsonObject | None = None
    config: StringMap = {}
    credentials: StringMap = {}
    delivery_metadata: StringMap = {}
    metadata: StringMap = {}
    created_at: datetime | None = None
    updated_at: datetime | None = None
    disabled_at: datetime | None = None

    def __repr__(self) -> str:
        return f"NewDestination(id={self.id!r}, type={self.type!r}, topics={self.topics!r})"


class DestinationPatch(msgspec.Struct, frozen=True, kw_only=True):
    """A change. Whatever is UNSET stays; a map that is None is cleared, otherwise merged (RFC 7396).

    Attributes:
        type: If it is named, it must be the present one.
        filter: Replaced as a whole; None or an empty object clears it.
        disabled_at: Aware UTC; None enables.
    """

    type: str | UnsetType = UNSET
    topics: tuple[str, ...] | UnsetType = UNSET
    filter: JsonObject | UnsetType | None = UNSET
    config: StringPatch | UnsetType | None = UNSET
    credentials: StringPatch | UnsetType | None = UNSET
    delivery_metadata: StringPatch | UnsetType | None = UNSET
    metadata: StringPatch | UnsetType | None = UNSET
    disabled_at: datetime | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return f"DestinationPatch(type={self.type!r}, topics={self.topics!r})"


def merged(stored: StringMap, patch: StringPatch | UnsetType | None) -> StringMap:
    """Return `stored` with `patch` applied."""
    if patch is UNSET:
        return stored
    if patch is None:
        return {}
    combined = {**stored, **patch}
    return {name: value for name, value in combined.items() if value is not None}


def without_masks(patch: StringPatch, *, stored: StringMap, shown: StringMap) -> StringPatch:
    """Leave out what the caller was shown in a masked form and sends back unchanged."""
    return {
        name: value
        for name, value in patch.items()
        if value is None or name not in stored or value != shown.get(name) or value == stored[name]
    }
