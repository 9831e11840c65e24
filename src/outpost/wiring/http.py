"""The HTTP API over the parts of a process."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from outpost.api.app import create_app
from outpost.api.collaborators import Health
from outpost.api.errors import refusal
from outpost.api.protocol import PublishRoad
from outpost.api.routes.publish import decode_publish, encode_published
from outpost.config.settings import Settings
from outpost.domain.identifiers import id_minter
from outpost.management.destinations import Destinations
from outpost.management.tenants import Tenants
from outpost.ports.clock import system_clock
from outpost.wiring.embedded import Parts
from outpost.wiring.migrations import MigrationsCheck


def build_app(settings: Settings, parts: Parts, health: Health, more_routes: Sequence[BaseRoute]) -> Starlette:
    """Return the ASGI app: every route, publishing's long road included."""
    return create_app(
        api_key=settings.api.key,
        jwt_secret=settings.api.jwt_secret,
        deployment_id=settings.general.deployment_id,
        allow_open=settings.api.allow_open,
        tenants=Tenants(store=parts.tenants, waiting=parts.ledger, clock=system_clock),
        destinations=Destinations(
            store=parts.tenants,
            providers=parts.registry,
            waiting=parts.ledger,
            clock=system_clock,
            mint_id=id_minter(settings.id_style, settings.ids.destination_prefix),
            topics=settings.topics.names,
            wildcards=settings.topics.allow_wildcards,
            limit=settings.destinations.max_per_tenant,
        ),
        providers=parts.registry,
        log=parts.log,
        publish=parts.publishing.submit,
        retrying=parts.manual_retry,
        health=health,
        is_migrated=MigrationsCheck(settings),
        topics=settings.topics.names,
        clock=system_clock,
        max_body_bytes=settings.api.max_body_bytes,
        trusted_proxies=settings.api.trusted_proxies,
        more_routes=more_routes,
    )


def publish_road(settings: Settings, parts: Parts) -> PublishRoad:
    """Return what lets a connection hand plain publish requests straight to the publisher."""
    return PublishRoad(
        api_key=settings.api.key,
        max_body=settings.api.max_body_bytes,
        decode=decode_publish,
        submit=parts.publishing.submit,
        encode=encode_published,
        refuse=refusal,
    )
