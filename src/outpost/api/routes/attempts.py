"""`/attempts`: what was tried and what came of it, for everyone and below one destination."""

from collections.abc import Sequence

from starlette.responses import Response

from outpost.api import render
from outpost.api.cursors import CursorKind
from outpost.api.pages import envelope, log_page
from outpost.api.query import Query
from outpost.api.resource import Call, Method, Resource, answer
from outpost.api.scope import one_tenant, tenant_filter
from outpost.domain.destination import Destination
from outpost.domain.errors import NotFound
from outpost.domain.identifiers import AttemptId, DestinationId, TenantId
from outpost.management.destinations import Destinations
from outpost.management.providers import Providers
from outpost.ports.log_store import AttemptQuery, LoggedAttempt, LogStore
from outpost.ports.paging import Position


class AttemptRoutes:
    """Reads attempts."""

    def __init__(self, *, log: LogStore, destinations: Destinations, providers: Providers) -> None:
        self._log = log
        self._destinations = destinations
        self._providers = providers

    def resources(self) -> list[Resource]:
        nested = "/api/v1/tenants/{tenant_id}/destinations/{destination_id}/attempts"
        return [
            Resource("/api/v1/attempts", {"GET": Method(self._list)}),
            Resource("/api/v1/attempts/{attempt_id}", {"GET": Method(self._get)}),
            Resource(nested, {"GET": Method(self._list_of_destination, needs_tenant=True)}),
            Resource(nested + "/{attempt_id}", {"GET": Method(self._get_of_destination, needs_tenant=True)}),
        ]

    async def _list(self, call: Call) -> Response:
        query = call.query
        tenant_ids = tenant_filter(call.caller, query)
        return await self._page(query, tenant_ids, query.many("destination_id"))

    async def _list_of_destination(self, call: Call) -> Response:
        # The destination may be gone; its attempts can still be read.
        return await self._page(call.query, [call.tenant.tenant.id], [call.destination_id()])

    async def _get(self, call: Call) -> Response:
        query = call.query
        found = await self._log.attempt(_attempt_id(call), tenant_id=one_tenant(call.caller, query))
        return await self._one(found, query)

    async def _get_of_destination(self, call: Call) -> Response:
        found = await self._log.attempt(_attempt_id(call), tenant_id=call.tenant.tenant.id)
        if found is not None and found.attempt.destination_id != call.destination_id():
            found = None
        return await self._one(found, call.query)

    async def _one(self, found: LoggedAttempt | None, query: Query) -> Response:
        if found is None:
            raise NotFound("attempt")
        return answer((await self._shown([found], query))[0])

    async def _page(
        self, query: Query, tenant_ids: Sequence[str] | None, destination_ids: Sequence[str] | None
    ) -> Response:
        request = log_page(query, CursorKind.ATTEMPTS)
        page = await self._log.attempts(
            AttemptQuery(
                page=request,
                tenant_ids=tenant_ids,
                event_ids=query.many("event_id"),
                destination_ids=destination_ids,
                destination_types=query.many("destination_type"),
                topics=query.many("topic"),
                status=query.one("status"),
                time=query.time_window(),
            )
        )
        return answer(
            envelope(
                page,
                request,
                kind=CursorKind.ATTEMPTS,
                order_by="time",
                position=_position,
                models=await self._shown(page.items, query),
            )
        )

    async def _shown(self, items: Sequence[LoggedAttempt], query: Query) -> list[render.Shown]:
        include = frozenset(query.many("include") or ())
        destinations = await self._destinations_of(items) if "destination" in include else {}
        shown: list[render.Shown] = []
        for logged in items:
            found = destinations.get((logged.attempt.tenant_id, logged.attempt.destination_id))
            destination = None if found is None else render.destination_of_attempt(found, self._providers)
            shown.append(render.attempt(logged, include, destination))
        return shown

    async def _destinations_of(
        self, items: Sequence[LoggedAttempt]
    ) -> dict[tuple[TenantId, DestinationId], Destination]:
        return {
            (tenant_id, destination.id): destination
            for tenant_id in {logged.attempt.tenant_id for logged in items}
            for destination in await self._destinations.list(tenant_id)
        }


def _attempt_id(call: Call) -> AttemptId:
    return AttemptId(call.path("attempt_id"))


def _position(logged: LoggedAttempt) -> Position:
    return Position(logged.attempt.time, logged.attempt.id)
