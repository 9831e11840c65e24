"""The HTTP API as one ASGI app."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from outpost import __version__
from outpost.api.auth import Access, Authenticator
from outpost.api.collaborators import Health, IsMigrated, Probe, Publish, Retrying
from outpost.api.errors import Problem, refusal, unknown_path
from outpost.api.origin import Origin
from outpost.api.resource import Call, Method, Resource, ResourceApp, answer, refused
from outpost.api.routes.attempts import AttemptRoutes
from outpost.api.routes.destination_types import DestinationTypeRoutes
from outpost.api.routes.destinations import DestinationRoutes
from outpost.api.routes.events import EventRoutes
from outpost.api.routes.health import HealthRoutes
from outpost.api.routes.publish import PublishRoutes
from outpost.api.routes.retry import RetryRoutes
from outpost.api.routes.tenants import TenantRoutes
from outpost.api.routes.topics import TopicRoutes
from outpost.api.tokens import TenantTokens
from outpost.management.destinations import Destinations
from outpost.management.providers import Providers
from outpost.management.tenants import Tenants
from outpost.ports.clock import Clock
from outpost.ports.log_store import LogStore

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_MANAGEMENT_BODY_BYTES = 256 * 1024
"""Of every request but publishing. Tenants send these, and what a destination is made of is held in memory for each
delivery; the reference takes 10 KB."""


def create_app(
    *,
    api_key: str,
    jwt_secret: str,
    deployment_id: str = "",
    allow_open: bool = False,
    tenants: Tenants,
    destinations: Destinations,
    providers: Providers,
    log: LogStore,
    publish: Publish,
    retrying: Retrying,
    health: Health,
    probes: Mapping[str, Probe],
    is_migrated: IsMigrated,
    topics: Sequence[str],
    clock: Clock,
    max_body_bytes: int = MAX_BODY_BYTES,
    trusted_proxies: Sequence[str] = (),
    more_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the app.

    Args:
        api_key: Empty lets everyone act as the operator, and needs `allow_open`.
        probes: The stores that `/readyz` asks.
        topics: The configured topics, as `/topics` shows them.
        max_body_bytes: Larger request bodies are answered with 413; beside publishing so are those above 256 KiB.
        trusted_proxies: Networks whose `X-Forwarded-*` headers count.
        more_routes: Routes outside `/api`.

    Raises:
        ConfigurationError: Key or secret is missing.
    """
    tokens = TenantTokens(secret=jwt_secret, deployment_id=deployment_id, clock=clock)
    authenticator = Authenticator(api_key=api_key, allow_open=allow_open, tokens=tokens, tenants=tenants)
    resources = [
        Resource("/", {"GET": Method(_root, Access.ANYONE)}),
        *HealthRoutes(health=health, probes=probes, is_migrated=is_migrated, clock=clock).resources(),
        *TopicRoutes(topics).resources(),
        *DestinationTypeRoutes(providers).resources(),
        *TenantRoutes(tenants=tenants, tokens=tokens, origin=Origin(trusted_proxies)).resources(),
        *DestinationRoutes(destinations=destinations, providers=providers, clock=clock).resources(),
        *AttemptRoutes(log=log, destinations=destinations, providers=providers).resources(),
        *EventRoutes(log).resources(),
        *RetryRoutes(retrying).resources(),
    ]
    apps = _apps(resources, authenticator, min(max_body_bytes, MAX_MANAGEMENT_BODY_BYTES))
    apps += _apps(PublishRoutes(publish).resources(), authenticator, max_body_bytes)
    return _app(apps, more_routes)


def create_health_app(
    *, health: Health, probes: Mapping[str, Probe], is_migrated: IsMigrated, clock: Clock
) -> Starlette:
    """Return the app of a process that serves no API: it tells how it is, and nothing else."""
    routes = HealthRoutes(health=health, probes=probes, is_migrated=is_migrated, clock=clock)
    return _app(_apps(routes.resources(), None, 0), ())


def _apps(resources: Sequence[Resource], authenticator: Authenticator | None, max_body_bytes: int) -> list[ResourceApp]:
    return [ResourceApp(resource, authenticator=authenticator, max_body_bytes=max_body_bytes) for resource in resources]


def _app(apps: Sequence[ResourceApp], more_routes: Sequence[BaseRoute]) -> Starlette:
    app = Starlette(routes=[*(each.route() for each in apps), *more_routes])
    app.router.redirect_slashes = False
    app.router.default = _Elsewhere(apps)
    return app


async def _root(call: Call) -> Response:
    return answer({"name": "outpost", "version": __version__, "api": "/api/v1"})


class _Elsewhere:
    """Answers what no route matches: a final slash too many, an unknown path of the API, anything else."""

    def __init__(self, apps: Sequence[ResourceApp]) -> None:
        self._routes = [(each.route(), each.resource) for each in apps]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # there are no websockets here
        await self._answer(scope["path"], scope["method"], scope["query_string"])(scope, receive, send)

    def _answer(self, path: str, method: str, query_string: bytes) -> Response:
        if path.endswith("/") and self._is_route(path[:-1], method):
            status = 301 if method in ("GET", "HEAD") else 307
            query = f"?{query_string.decode('latin-1')}" if query_string else ""
            headers = {"Location": quote(path[:-1]) + query}
            return refused(refusal(Problem(status, "moved", headers=headers)))
        if path.startswith("/api/"):
            return refused(refusal(unknown_path()))
        return PlainTextResponse("404 page not found", 404)

    def _is_route(self, path: str, method: str) -> bool:
        return any(route.path_regex.match(path) and resource.method(method) for route, resource in self._routes)
