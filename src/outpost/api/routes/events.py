"""`/events`: what was accepted."""

from starlette.responses import Response

from outpost.api import render
from outpost.api.cursors import CursorKind
from outpost.api.pages import envelope, log_page
from outpost.api.resource import Call, Method, Resource, answer
from outpost.api.scope import one_tenant, tenant_filter
from outpost.domain.errors import NotFound
from outpost.domain.event import Event
from outpost.domain.identifiers import EventId
from outpost.ports.log_store import EventQuery, LogStore
from outpost.ports.paging import Position


class EventRoutes:
    """Reads events."""

    def __init__(self, log: LogStore) -> None:
        self._log = log

    def resources(self) -> list[Resource]:
        return [
            Resource("/api/v1/events", {"GET": Method(self._list)}),
            Resource("/api/v1/events/{event_id}", {"GET": Method(self._get)}),
        ]

    async def _list(self, call: Call) -> Response:
        query = call.query
        tenant_ids = tenant_filter(call.caller, query)
        request = log_page(query, CursorKind.EVENTS)
        page = await self._log.events(
            EventQuery(
                page=request,
                ids=query.many("id"),
                tenant_ids=tenant_ids,
                destination_ids=query.many("destination_id"),
                topics=query.many("topic"),
                time=query.time_window(),
            )
        )
        return answer(
            envelope(
                page,
                request,
                kind=CursorKind.EVENTS,
                order_by="time",
                position=_position,
                models=[render.event(event) for event in page.items],
            )
        )

    async def _get(self, call: Call) -> Response:
        event = await self._log.event(EventId(call.path("event_id")), tenant_id=one_tenant(call.caller, call.query))
        if event is None:
            raise NotFound("event")
        return answer(render.event(event))


def _position(event: Event) -> Position:
    return Position(event.time, event.id)
