"""`/tenants`: the operator's customers, their tokens and their way into the portal."""

from starlette.responses import Response

from outpost.api import render
from outpost.api.auth import Access
from outpost.api.cursors import CursorKind
from outpost.api.fields import Fields
from outpost.api.json_values import parse_object
from outpost.api.origin import Origin
from outpost.api.pages import TENANT_LIMIT, envelope, pagination, tenant_page
from outpost.api.resource import Call, Method, Resource, answer
from outpost.api.tokens import TenantTokens
from outpost.domain.identifiers import TenantId
from outpost.domain.tenant import TenantOverview
from outpost.management.tenants import Tenants
from outpost.ports.paging import Position
from outpost.ports.tenant_store import TenantQuery

_THEMES = ("dark", "light")


class TenantRoutes:
    """Everything under `/tenants` that is not about destinations."""

    def __init__(self, *, tenants: Tenants, tokens: TenantTokens, origin: Origin) -> None:
        self._tenants = tenants
        self._tokens = tokens
        self._origin = origin

    def resources(self) -> list[Resource]:
        one = "/api/v1/tenants/{tenant_id}"
        return [
            Resource("/api/v1/tenants", {"GET": Method(self._list)}),
            Resource(
                one,
                {
                    "PUT": Method(self._put),
                    "GET": Method(self._get, needs_tenant=True),
                    "DELETE": Method(self._delete, needs_tenant=True),
                },
            ),
            Resource(f"{one}/token", {"GET": Method(self._token, Access.OPERATOR, needs_tenant=True)}),
            Resource(f"{one}/portal", {"GET": Method(self._portal, Access.OPERATOR, needs_tenant=True)}),
        ]

    async def _list(self, call: Call) -> Response:
        if call.caller.tenant is not None:
            # A tenant sees itself, whatever it asks for.
            page = pagination("created_at", "desc", TENANT_LIMIT)
            return answer({"models": [render.tenant(call.caller.tenant)], "pagination": page, "count": 1})
        query = call.query
        request = tenant_page(query)
        found = await self._tenants.list(TenantQuery(page=request, ids=query.many("id")))
        body = envelope(
            found.page,
            request,
            kind=CursorKind.TENANTS,
            order_by="created_at",
            position=_position,
            models=[render.tenant(overview) for overview in found.page.items],
        )
        return answer(body | {"count": found.count})

    async def _put(self, call: Call) -> Response:
        body = await call.body()
        fields = Fields(parse_object(body) if body else {})
        metadata = fields.string_map("metadata")
        fields.check()
        overview, is_new = await self._tenants.put(TenantId(call.path("tenant_id")), metadata)
        return answer(render.tenant(overview), 201 if is_new else 200)

    async def _get(self, call: Call) -> Response:
        return answer(render.tenant(call.tenant))

    async def _delete(self, call: Call) -> Response:
        await self._tenants.delete(call.tenant.tenant.id)
        return answer({"success": True})

    async def _token(self, call: Call) -> Response:
        tenant = call.tenant.tenant
        return answer({"tenant_id": tenant.id, "token": self._tokens.issue(tenant)})

    async def _portal(self, call: Call) -> Response:
        tenant = call.tenant.tenant
        address = f"{self._origin.of(call.request)}/?token={self._tokens.issue(tenant)}"
        theme = call.query.one("theme")
        if theme in _THEMES:
            address += f"&theme={theme}"
        return answer({"redirect_url": address, "tenant_id": tenant.id})


def _position(overview: TenantOverview) -> Position:
    return Position(overview.tenant.created_at, overview.tenant.id)
