"""The names under which work is claimed.

    idempotency:publishmq:<event>                              of a deployment, as the original program names them,
    idempotency:deliverymq:<event>:<destination>:<attempt>     so that the two leave each other's work alone

    idempotency:publish:<tenant>:<event>                       of a tenant, where <tenant> and <event> are each led by
    idempotency:delivery:<tenant>:<event>:<destination>:<attempt>         their length and a colon, as in `4:acme`

Ids may hold colons, and two tenants may use one event id, even for destinations of one id. Only the second form tells
all of them apart: under the first, one of the two is taken for a duplicate of the other.
"""

from outpost.config.pipeline import DedupScope
from outpost.domain.delivery import DeliveryTask
from outpost.domain.event import Event
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.ports.claims import ClaimKey


def publish_key(tenant_id: TenantId, event_id: EventId, *, scope: DedupScope) -> ClaimKey:
    """Return the name of accepting an event."""
    if scope == "deployment":
        return ClaimKey(f"idempotency:publishmq:{event_id}")
    return ClaimKey(f"idempotency:publish:{_measured(tenant_id)}:{_measured(event_id)}")


def delivery_key(
    tenant_id: TenantId,
    event_id: EventId,
    destination_id: DestinationId,
    attempt_number: int,
    *,
    scope: DedupScope,
) -> ClaimKey:
    """Return the name of making an attempt."""
    if scope == "deployment":
        return ClaimKey(f"idempotency:deliverymq:{event_id}:{destination_id}:{attempt_number}")
    event = f"{_measured(tenant_id)}:{_measured(event_id)}"
    return ClaimKey(f"idempotency:delivery:{event}:{destination_id}:{attempt_number}")


def _measured(id_: str) -> str:
    return f"{len(id_)}:{id_}"


class ScopedNames:
    """Names work as one scope does; see the top of this file."""

    def __init__(self, scope: DedupScope) -> None:
        self._scope: DedupScope = scope

    def publishing(self, event: Event) -> ClaimKey:
        return publish_key(event.tenant_id, event.id, scope=self._scope)

    def delivering(self, task: DeliveryTask) -> ClaimKey:
        event = task.event
        return delivery_key(event.tenant_id, event.id, task.destination_id, task.attempt_number, scope=self._scope)
