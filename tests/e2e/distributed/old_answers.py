"""What an older release answered about itself, side by side with what is answered now, in another form of the API."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from outpost.codec import cut_to_milliseconds, parse_time
from tests.e2e.distributed.installation import Installation
from tests.support.recorded_answers import Read, in_force, quoted

Pair = tuple[Any, Any]
"""What was recorded, and what should equal it."""


def path_of(read: Read) -> str:
    """Return where a tenant or destination is now."""
    path = f"/tenants/{quoted(read['tenant'])}"
    return f"{path}/destinations/{quoted(read['destination'])}" if "destination" in read else path


async def _tenant(installation: Installation, read: Read) -> Pair:
    recorded = {name: value for name, value in read["body"].items() if name != "topics"}  # `*` was shown as all of them
    return _alike(recorded, await installation.get(path_of(read)))


async def _destination(installation: Installation, read: Read) -> Pair:
    recorded = in_force(read["body"])
    if recorded["type"] != "webhook":
        recorded = {name: recorded[name] for name in ("id", "type", "topics", "config", "created_at", "disabled_at")}
    return _alike(recorded, await installation.get(path_of(read)))


async def _event(installation: Installation, read: Read) -> Pair:
    names = ("id", "tenant_id", "topic", "eligible_for_retry", "metadata", "data")
    ours = await installation.get(f"/events/{quoted(read['event'])}?tenant_id={quoted(read['tenant'])}")
    assert parse_time(ours["time"]) == parse_time(read["body"]["time"])
    return _alike({name: read["body"][name] for name in names}, ours)


async def _events_of_a_destination(installation: Installation, read: Read) -> Pair:
    tenant, destination = quoted(read["tenant"]), quoted(read["destination"])
    ours = await installation.get(f"/events?tenant_id={tenant}&destination_id={destination}&limit=100")
    return set(read["body"]["data"]), {event["id"] for event in ours["models"]}


async def _deliveries_of_an_event(installation: Installation, read: Read) -> Pair:
    event = f"tenant_id={quoted(read['tenant'])}&event_id={quoted(read['event'])}"
    ours = await installation.get(f"/attempts?{event}&include=response_data&limit=100")
    return _by_id(read["body"]), _by_id(ours["models"])


def _by_id(deliveries: Sequence[Mapping[str, Any]]) -> Any:
    names = ("status", "code", "response_data")
    return {delivery["id"]: {name: delivery.get(name) for name in names} for delivery in deliveries}


def _alike(recorded: Mapping[str, Any], ours: Mapping[str, Any]) -> Pair:
    """Return what was recorded, and as much of what is answered now; null counts as absent."""
    return _in_milliseconds(recorded), _in_milliseconds({name: ours.get(name) for name in recorded})


def _in_milliseconds(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer with its instants as they are kept; the oldest release wrote finer ones, in its own zone."""
    return {
        name: cut_to_milliseconds(parse_time(value)) if name.endswith("_at") and value else value
        for name, value in answer.items()
    }


COMPARED: Mapping[str, Callable[[Installation, Read], Awaitable[Pair]]] = {
    "tenant": _tenant,
    "destination": _destination,
    "event": _event,
    "events_by_destination": _events_of_a_destination,
    "deliveries_by_event": _deliveries_of_an_event,
}
"""By what was asked."""
