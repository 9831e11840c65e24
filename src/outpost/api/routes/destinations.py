"""`/tenants/{tenant_id}/destinations`: where a tenant's events go."""

from starlette.responses import Response

from outpost.api import render
from outpost.api.bodies import destination_patch, new_destination
from outpost.api.errors import forbidden
from outpost.api.resource import Call, Method, Resource, answer
from outpost.domain.destination import Destination
from outpost.domain.identifiers import TenantId
from outpost.management.destinations import Destinations
from outpost.management.providers import Providers
from outpost.ports.clock import Clock


class DestinationRoutes:
    """Everything about destinations but their attempts."""

    def __init__(self, *, destinations: Destinations, providers: Providers, clock: Clock) -> None:
        self._destinations = destinations
        self._providers = providers
        self._clock = clock

    def resources(self) -> list[Resource]:
        every = "/api/v1/tenants/{tenant_id}/destinations"
        one = every + "/{destination_id}"
        return [
            Resource(
                every,
                {
                    "GET": Method(self._list, needs_tenant=True),
                    "POST": Method(self._create, needs_tenant=True),
                },
            ),
            Resource(
                one,
                {
                    "GET": Method(self._get, needs_tenant=True),
                    "PATCH": Method(self._change, needs_tenant=True),
                    "DELETE": Method(self._delete, needs_tenant=True),
                },
            ),
            Resource(f"{one}/enable", {"PUT": Method(self._enable, needs_tenant=True)}),
            Resource(f"{one}/disable", {"PUT": Method(self._disable, needs_tenant=True)}),
        ]

    async def _list(self, call: Call) -> Response:
        query = call.query
        found = await self._destinations.list(_tenant_id(call), types=query.many("type"), topics=query.many("topics"))
        return answer([self._shown(destination) for destination in found])

    async def _create(self, call: Call) -> Response:
        new = new_destination(await call.members())
        if call.caller.role == "tenant" and (new.created_at or new.updated_at):
            raise forbidden("created_at and updated_at can only be set with API key authentication")
        created = await self._destinations.create(_tenant_id(call), new, role=call.caller.role)
        return answer(self._shown(created), 201)

    async def _get(self, call: Call) -> Response:
        return answer(self._shown(await self._destinations.get(_tenant_id(call), call.destination_id())))

    async def _change(self, call: Call) -> Response:
        patch = destination_patch(await call.members())
        changed = await self._destinations.change(_tenant_id(call), call.destination_id(), patch, role=call.caller.role)
        return answer(self._shown(changed))

    async def _delete(self, call: Call) -> Response:
        await self._destinations.delete(_tenant_id(call), call.destination_id())
        return answer({"success": True})

    async def _enable(self, call: Call) -> Response:
        return answer(self._shown(await self._destinations.enable(_tenant_id(call), call.destination_id())))

    async def _disable(self, call: Call) -> Response:
        return answer(self._shown(await self._destinations.disable(_tenant_id(call), call.destination_id())))

    def _shown(self, destination: Destination) -> render.Shown:
        return render.destination(destination, self._providers, now=self._clock())


def _tenant_id(call: Call) -> TenantId:
    return call.tenant.tenant.id
