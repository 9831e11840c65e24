"""Which destinations want an event: enabled, topic covered, filter satisfied."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from outpost.codec import format_time
from outpost.domain.destination import Destination
from outpost.domain.event import Event
from outpost.domain.event_filter import EventFilter, compile_filter
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.domain.topic import Covers, subscription

_REMEMBERED = 100_000


class _Compiled(NamedTuple):
    """The tests of one state of a destination."""

    destination: Destination
    covers: Covers
    filter: EventFilter | None


class Matcher:
    """Chooses destinations; compiles each destination's topics and filter once for as long as it stays the same."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[TenantId, DestinationId], _Compiled] = {}

    def matches(self, destination: Destination, event: Event) -> bool:
        """Say whether an enabled destination wants the event."""
        return bool(self.select([destination], event))

    def select(
        self, destinations: Sequence[Destination], event: Event, only: DestinationId | None = None
    ) -> list[Destination]:
        """Return the destinations that want the event, in their order.

        Args:
            only: The publisher names one destination; it must still want the event.
        """
        chosen: list[Destination] = []
        document: dict[str, Any] | None = None
        for destination in destinations:
            if destination.disabled_at is not None or (only is not None and destination.id != only):
                continue
            _, covers, filter_ = self._of(destination)
            if not covers(event.topic):
                continue
            if filter_ is not None:
                if document is None:
                    document = _envelope(event)
                if filter_.uses_data and "data" not in document:
                    document["data"] = _parsed(event.data)
                if not filter_.matches(document):
                    continue
            chosen.append(destination)
        return chosen

    def _of(self, destination: Destination) -> _Compiled:
        key = (destination.tenant_id, destination.id)
        known = self._compiled.get(key)
        if known is not None and known.destination is destination:
            return known
        if len(self._compiled) >= _REMEMBERED:
            self._compiled.clear()
        filter_ = compile_filter(destination.filter) if destination.filter else None
        compiled = self._compiled[key] = _Compiled(destination, subscription(destination.topics), filter_)
        return compiled


def _envelope(event: Event) -> dict[str, Any]:
    """Return what filters look at, without the data.

    `time` is in UTC with whole seconds, so that comparing strings compares instants.
    """
    return {
        "id": event.id,
        "topic": event.topic,
        "time": format_time(event.time.replace(microsecond=0)),
        "metadata": event.metadata,
    }


def _parsed(data: bytes) -> Any:
    """Return the data as a value; what cannot be parsed counts as empty."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return {}
