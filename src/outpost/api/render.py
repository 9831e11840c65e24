"""Things as the API shows them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from outpost.codec import format_time
from outpost.domain.destination import Destination
from outpost.domain.errors import UnknownDestinationType
from outpost.domain.event import Event
from outpost.domain.tenant import StringMap, TenantOverview
from outpost.management.providers import Providers
from outpost.ports.log_store import LoggedAttempt
from outpost.ports.provider import DestinationTarget

Shown = dict[str, Any]

_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode

_NOTHING = (b"", b"null", b"{}")


def tenant(overview: TenantOverview) -> Shown:
    shown: Shown = {
        "id": overview.tenant.id,
        "destinations_count": overview.destinations_count,
        "topics": overview.topics,
    }
    _add(shown, metadata=overview.tenant.metadata)
    shown["created_at"] = format_time(overview.tenant.created_at)
    shown["updated_at"] = format_time(overview.tenant.updated_at)
    return shown


def destination(destination: Destination, providers: Providers, *, now: datetime) -> Shown:
    """Show a destination with the credentials that its type lets people see.

    One whose type this process does not know is shown without credentials.
    """
    try:
        provider = providers.provider(destination.type)
    except UnknownDestinationType:
        return _destination(destination, {}, DestinationTarget(""))
    credentials = provider.shown_credentials(destination, now=now)
    return _destination(destination, credentials, provider.target(destination))


def destination_of_attempt(destination: Destination, providers: Providers) -> Shown:
    """Show a destination beside an attempt: without credentials, since logs are read by more people."""
    try:
        target = providers.provider(destination.type).target(destination)
    except UnknownDestinationType:
        target = DestinationTarget("")
    return _destination(destination, {}, target)


def event(event: Event) -> Shown:
    return event_without_data(event) | {"data": _json(event.data)}


def event_without_data(event: Event) -> Shown:
    shown: Shown = {
        "id": event.id,
        "tenant_id": event.tenant_id,
        "matched_destination_ids": event.matched_destination_ids,
        "topic": event.topic,
        "time": format_time(event.time),
        "eligible_for_retry": event.eligible_for_retry,
    }
    _add(shown, metadata=event.metadata)
    return shown


def attempt(logged: LoggedAttempt, include: frozenset[str], destination: Shown | None = None) -> Shown:
    """Show an attempt with what `include` names: `event`, `event.data`, `response_data`.

    Args:
        destination: The destination as it is shown, if that is wanted too and it exists.
    """
    attempt = logged.attempt
    shown: Shown = {
        "id": attempt.id,
        "tenant_id": attempt.tenant_id,
        "status": attempt.status,
        "time": format_time(attempt.time),
    }
    _add(shown, code=attempt.code)
    if "response_data" in include and attempt.response_data not in (None, *_NOTHING):
        shown["response_data"] = _json(attempt.response_data)
    shown |= {
        "attempt_number": attempt.attempt_number,
        "manual": attempt.manual,
        "destination_type": attempt.destination_type,
        "event_id": attempt.event_id,
        "destination_id": attempt.destination_id,
    }
    if "event.data" in include:
        shown["event"] = event(logged.event)
    elif "event" in include:
        shown["event"] = event_without_data(logged.event)
    if destination is not None:
        shown["destination"] = destination
    return shown


def _destination(destination: Destination, credentials: StringMap, target: DestinationTarget) -> Shown:
    shown: Shown = {
        "id": destination.id,
        "tenant_id": destination.tenant_id,
        "type": destination.type,
        "topics": destination.topics,
    }
    _add(shown, filter=destination.filter)
    shown |= {"config": destination.config, "credentials": credentials}
    _add(shown, delivery_metadata=destination.delivery_metadata, metadata=destination.metadata)
    shown |= {
        "created_at": format_time(destination.created_at),
        "updated_at": format_time(destination.updated_at),
        "disabled_at": None if destination.disabled_at is None else format_time(destination.disabled_at),
        "target": target.text,
    }
    _add(shown, target_url=target.url)
    return shown


def _json(stored: bytes) -> msgspec.Raw | Shown:
    """Return stored JSON as it is; what is none must not spoil the answer that it is a part of."""
    try:
        return _decode_raw(stored)
    except msgspec.DecodeError:
        return {"raw": stored.decode(errors="replace")}
    except RecursionError:  # it is nested too deep to be looked at
        return msgspec.Raw(stored)


def _add(shown: Shown, **members: Mapping[str, Any] | str | None) -> None:
    """Add the members that have something in them."""
    shown.update({name: value for name, value in members.items() if value})
