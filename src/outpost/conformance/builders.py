"""Values to test with, each whole by itself; a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from outpost.domain.attempt import Attempt, AttemptStatus
from outpost.domain.destination import Destination
from outpost.domain.event import Event
from outpost.domain.identifiers import AttemptId, DestinationId, EventId, TenantId
from outpost.domain.tenant import Tenant
from outpost.ports.tenant_store import DestinationRecord

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
START_MILLISECOND = START.replace(microsecond=678000)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TENANT = TenantId("acme")
ONE, TWO = DestinationId("des_1"), DestinationId("des_2")

_TENANT = Tenant(id=TENANT, metadata={"plan": "pro"}, created_at=START_MILLISECOND, updated_at=START_MILLISECOND)
_EVENT = Event(
    id=EventId("evt_1"),
    tenant_id=TENANT,
    topic="user.created",
    time=START,
    eligible_for_retry=True,
    metadata={"source": "api"},
    data=b'{"b":1.0, "a":"\xc3\xa9"}',
    matched_destination_ids=(ONE,),
)
_ATTEMPT = Attempt(
    id=AttemptId("atm_1"),
    tenant_id=TENANT,
    event_id=EventId("evt_1"),
    destination_id=ONE,
    destination_type="webhook",
    attempt_number=1,
    manual=False,
    status=AttemptStatus.SUCCESS,
    time=START,
    code="200",
    response_data=b'{"status":200,"body":"ok"}',
)
_DESTINATION = Destination(
    id=ONE,
    tenant_id=TENANT,
    type="webhook",
    topics=("user.created", "user.updated"),
    filter={"data": {"amount": {"$gte": 100}}},
    config={"url": "https://example.com/hook?a=1&b=<2>"},
    credentials={"secret": "whsec_0123456789abcdef"},
    delivery_metadata={"x-env": "prod"},
    metadata={"team": "growth"},
    created_at=START_MILLISECOND,
    updated_at=START_MILLISECOND,
)
_RECORD = DestinationRecord(
    id=ONE,
    tenant_id=TENANT,
    type="webhook",
    topics=("user.created", "user.updated"),
    filter={"data": {"amount": {"$gte": 100}}},
    config={"url": "https://example.com/hook?a=1&b=<2>"},
    credentials=bytes(range(64)),
    delivery_metadata=b"\x00\xff sealed",
    metadata={"team": "growth"},
    created_at=START_MILLISECOND,
    updated_at=START_MILLISECOND,
)


def whole_ticks(instant: datetime, tick: timedelta) -> datetime:
    """Return an instant without what is finer than `tick`."""
    return instant - (instant - _EPOCH) % tick


def a_tenant(tenant_id: str = TENANT, **changes: Any) -> Tenant:
    return msgspec.structs.replace(_TENANT, id=tenant_id, **changes)


def an_event(event_id: str = "evt_1", **changes: Any) -> Event:
    return msgspec.structs.replace(_EVENT, id=event_id, **changes)


def an_attempt(attempt_id: str = "atm_1", **changes: Any) -> Attempt:
    return msgspec.structs.replace(_ATTEMPT, id=attempt_id, **changes)


def a_destination(destination_id: str = ONE, **changes: Any) -> Destination:
    return msgspec.structs.replace(_DESTINATION, id=destination_id, **changes)


def a_record(destination_id: str = ONE, **changes: Any) -> DestinationRecord:
    """Return a destination with its secrets sealed, into bytes that no key opens."""
    return msgspec.structs.replace(_RECORD, id=destination_id, **changes)
