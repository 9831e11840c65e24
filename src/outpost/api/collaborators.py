"""What the API needs from the pipeline and the process, by shape."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.pipeline.publish import PublishCommand, PublishResult

Publish = Callable[[PublishCommand], Awaitable[PublishResult]]
"""Accepts one event. Raises InvalidInput or Unavailable."""

IsMigrated = Callable[[], Awaitable[bool]]
"""Says whether the stores have the form that this version needs; the check with which `serve` starts."""


Probe = Callable[[], Awaitable[object]]
"""Asks a store something small; raises OutpostError if it cannot be read now."""


class Retrying(Protocol):
    """Plans manual attempts."""

    async def request(self, event_id: EventId, destination_id: DestinationId, *, tenant_id: TenantId | None) -> object:
        """Raises NotFound, DestinationDisabled, DestinationDoesNotMatch or StoreUnavailable."""
        ...


class Health(Protocol):
    """Tells how the process is."""

    def report(self) -> tuple[bool, Mapping[str, bool]]:
        """Return whether all is well, and for each worker whether it is."""
        ...
