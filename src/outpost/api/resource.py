"""One path of the API: its methods, who may use them, and the edge where errors become answers."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from outpost.api.auth import OPERATOR, Access, Authenticator, Caller
from outpost.api.bodies import read_body
from outpost.api.errors import JSON, Problem, Refusal, refusal, unknown_path
from outpost.api.json_values import parse_object
from outpost.api.query import Query
from outpost.domain.destination import JsonObject
from outpost.domain.identifiers import DestinationId
from outpost.domain.tenant import TenantOverview


class Call:
    """A request that may be answered."""

    def __init__(self, request: Request, caller: Caller, tenant: TenantOverview | None, max_body_bytes: int) -> None:
        """Args:
        tenant: The tenant of the path, on routes where it must exist.
        """
        self.request = request
        self.caller = caller
        self._tenant = tenant
        self._max_body_bytes = max_body_bytes

    @property
    def tenant(self) -> TenantOverview:
        assert self._tenant is not None, "a route without needs_tenant asked for it"
        return self._tenant

    @property
    def query(self) -> Query:
        return Query(self.request.scope["query_string"])

    def path(self, name: str) -> str:
        return self.request.path_params[name]

    def destination_id(self) -> DestinationId:
        return DestinationId(self.path("destination_id"))

    async def body(self) -> bytes:
        """Raises Problem if the body is too large."""
        return await read_body(self.request, self._max_body_bytes)

    async def members(self) -> JsonObject:
        """Return the body's JSON object. Raises Problem or ValidationFailed."""
        return parse_object(await self.body())


Handler = Callable[[Call], Awaitable[Response]]


class Method(msgspec.Struct, frozen=True):
    """How one method of a path is answered.

    Attributes:
        needs_tenant: The tenant named in the path must exist.
    """

    handler: Handler
    access: Access = Access.OPERATOR_OR_TENANT
    needs_tenant: bool = False


class Resource(msgspec.Struct, frozen=True):
    """A path and its methods; `HEAD` is answered wherever `GET` is."""

    path: str
    methods: Mapping[str, Method]

    def method(self, name: str) -> Method | None:
        return self.methods.get("GET" if name == "HEAD" else name)

    def allowed(self) -> str:
        """Return the value of the `Allow` header."""
        return ", ".join(sorted({*self.methods, *(["HEAD"] if "GET" in self.methods else [])}))


class ResourceApp:
    """Answers the requests of one resource; an ASGI app."""

    def __init__(self, resource: Resource, *, authenticator: Authenticator | None, max_body_bytes: int) -> None:
        """Args:
        authenticator: May be None if everything here is for anyone.
        """
        self.resource = resource
        self._authenticator = authenticator
        self._max_body_bytes = max_body_bytes

    def route(self) -> Route:
        route = Route(self.resource.path, self)
        # Starlette ends its pattern with `$`, which also matches before a line break at the end.
        route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$") + r"\Z")
        return route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:
            response = refused(refusal(error))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        method = self.resource.method(request.method)
        if method is None:
            raise Problem(405, "method not allowed", headers={"Allow": self.resource.allowed()})
        if not _is_text(request.scope):
            raise unknown_path()  # nothing stored is called so, and not every store can be asked
        return await method.handler(await self._call(request, method))

    async def _call(self, request: Request, method: Method) -> Call:
        caller, tenant = OPERATOR, None
        tenant_id: str | None = request.path_params.get("tenant_id")
        if method.access is not Access.ANYONE:
            assert self._authenticator is not None, f"{self.resource.path} is not for anyone"
            caller = await self._authenticator.caller(request, method.access, tenant_id)
            if method.needs_tenant and tenant_id is not None:
                tenant = await self._authenticator.path_tenant(caller, tenant_id)
        return Call(request, caller, tenant, self._max_body_bytes)


def _is_text(scope: Scope) -> bool:
    """Say whether the decoded path is text without a NUL: bytes that are not UTF-8 were replaced in it, so that several
    paths look like one."""
    path: str = scope["path"]
    if "\ufffd" in path:
        try:
            unquote_to_bytes(scope["raw_path"]).decode()
        except UnicodeDecodeError:
            return False
    return "\0" not in path


def answer(content: Any, status: int = 200) -> Response:
    """Return `content` as JSON."""
    return Response(msgspec.json.encode(content), status, media_type=JSON)


def refused(what: Refusal) -> Response:
    status, headers, body = what
    return Response(body, status, dict(headers), media_type=JSON)
