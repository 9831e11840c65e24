"""The HTTP side of a process."""

import asyncio
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from outpost.api.app import create_app, create_health_app
from outpost.api.collaborators import Health
from outpost.api.errors import refusal, unknown_path
from outpost.api.publish_road import PublishRoad
from outpost.api.routes.publish import decode_publish, encode_published
from outpost.config.settings import Settings
from outpost.domain.identifiers import id_minter
from outpost.management.destinations import Destinations
from outpost.management.tenants import Tenants
from outpost.pipeline.publish import PublishCommand, PublishResult
from outpost.ports.clock import system_clock
from outpost.wiring.migrations import MigrationsCheck
from outpost.wiring.parts import ApiParts, Parts


def build_app(settings: Settings, parts: Parts, health: Health, more_routes: Sequence[BaseRoute]) -> Starlette:
    """Return the ASGI app: every route, publishing's long road included; health only where there is no API."""
    api = parts.api
    is_migrated = MigrationsCheck(settings)
    if api is None:
        return create_health_app(health=health, probes=parts.probes, is_migrated=is_migrated, clock=system_clock)
    return create_app(
        api_key=settings.api.key,
        jwt_secret=settings.api.jwt_secret,
        deployment_id=settings.general.deployment_id,
        allow_open=settings.api.allow_open,
        tenants=Tenants(store=api.tenants, waiting=api.ledger, clock=system_clock),
        destinations=Destinations(
            store=api.tenants,
            providers=api.registry,
            waiting=api.ledger,
            clock=system_clock,
            mint_id=id_minter(settings.id_style, settings.ids.destination_prefix),
            topics=settings.topics.names,
            wildcards=settings.topics.allow_wildcards,
            limit=settings.destinations.max_per_tenant,
        ),
        providers=api.registry,
        log=api.log,
        publish=api.publish,
        retrying=api.manual_retry,
        health=health,
        probes=parts.probes,
        is_migrated=is_migrated,
        topics=settings.topics.names,
        clock=system_clock,
        max_body_bytes=settings.api.max_body_bytes,
        trusted_proxies=settings.api.trusted_proxies,
        more_routes=more_routes,
    )


def publish_road(settings: Settings, api: ApiParts | None) -> PublishRoad:
    """Return what lets a connection hand plain publish requests straight to the publisher."""
    return PublishRoad(
        api_key="" if api is None else settings.api.key,
        max_body=settings.api.max_body_bytes,
        decode=decode_publish,
        submit=_nobody_publishes if api is None else api.publish,
        encode=encode_published,
        refuse=refusal,
    )


def _nobody_publishes(command: PublishCommand) -> "asyncio.Future[PublishResult]":
    raise unknown_path()
