"""What is stored of a planned retry: JSON that the original program reads, and more that it ignores.

    {"EventID":"evt_1","TenantID":"acme","DestinationID":"des_1","Telemetry":null,"Attempt":1,"Event":{...}}
                                                                └ the original ends here

`Attempt` is the number of the attempt that failed. `Event` is an event as it stands in the messages of the queues, and
`pipeline/messages.py` is what knows that form. Releases of the original before 1.0 wrote an `Attempt` too, along with a
`DeliveryEventID`; theirs is not trusted, since they counted in another way.
"""

from datetime import datetime

import msgspec

from outpost.codec import write_json
from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.pipeline.messages import BrokenMessage, read_event, write_event
from outpost.ports.retry_scheduler import PlannedRetry, RetryKey

LONGEST_BODY = 65_536
"""In bytes (pipeline specification, 8.3)."""

_NO_EVENT = msgspec.Raw(b"null")


class BrokenBody(Exception):
    """A stored retry cannot be read. Says which field, and nothing of its content."""


_NAMES = {
    "event_id": "EventID",
    "tenant_id": "TenantID",
    "destination_id": "DestinationID",
    "attempt": "Attempt",
    "event": "Event",
    "delivery_event_id": "DeliveryEventID",
}


class _Body(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    event_id: EventId
    tenant_id: TenantId
    destination_id: DestinationId
    attempt: int | None = None
    event: msgspec.Raw = _NO_EVENT
    delivery_event_id: str | None = None


_decoder = msgspec.json.Decoder(_Body)


def identity(key: RetryKey) -> bytes:
    """Return the part that tells whose a body is: the same bytes whichever program wrote it."""
    names = f'"EventID":{write_json(key.event_id)},"TenantID":{write_json(key.tenant_id)}'
    return f'{names},"DestinationID":{write_json(key.destination_id)}'.encode()


def write_body(plan: PlannedRetry) -> bytes:
    """Return the body of a plan, without the event if it would be too long with it."""
    body = b'{%s,"Telemetry":null' % identity(plan.key)
    if plan.failed_attempt is not None:
        body += b',"Attempt":%d' % plan.failed_attempt
    if plan.event is not None:
        whole = b'%s,"Event":%s}' % (body, write_event(plan.event))
        if len(whole) <= LONGEST_BODY:
            return whole
    return body + b"}"


def keeps_event(plan: PlannedRetry) -> bool:
    """Say whether a plan has an event and is stored with it."""
    if plan.event is None or len(plan.event.data) >= LONGEST_BODY:
        return False
    return b',"Event":{' in write_body(plan)


def read_body(body: bytes, *, due_at: datetime) -> PlannedRetry:
    """Return what a body plans.

    Raises:
        BrokenBody: It is not a retry.
    """
    try:
        stored = _decoder.decode(body)
        event = None if stored.event == _NO_EVENT else read_event(bytes(stored.event))
    except (ValueError, RecursionError, BrokenMessage) as error:
        raise BrokenBody(str(error)) from None
    return PlannedRetry(
        key=RetryKey(stored.tenant_id, stored.event_id, stored.destination_id),
        failed_attempt=stored.attempt if stored.delivery_event_id is None else None,
        due_at=due_at,
        event=event,
    )
