"""The destination types of a process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from outpost import __version__
from outpost.clients.http import HttpClient, InvalidUrl, Proxy
from outpost.config.settings import Settings
from outpost.destinations.egress import EgressPolicy
from outpost.destinations.registry import Registry
from outpost.destinations.webhook.provider import WebhookProvider
from outpost.destinations.webhook.settings import WebhookSettings
from outpost.domain.errors import ConfigurationError


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncGenerator[Registry]:
    """Open every destination type; closed when the sends in flight have ended.

    Raises:
        ConfigurationError: A setting of a type cannot work.
    """
    egress = EgressPolicy(guard=settings.egress.guard, allow=settings.egress.allow)
    client = HttpClient(check=egress.check, proxy=webhook_proxy(settings))
    try:
        async with Registry([WebhookProvider(webhook_settings(settings), client)]) as registry:
            yield registry
    finally:
        await client.aclose()


def webhook_proxy(settings: Settings) -> Proxy | None:
    """Raises ConfigurationError, which does not quote the URL: it may hold a password."""
    if not settings.webhook.proxy_url:
        return None
    try:
        return Proxy.parse(settings.webhook.proxy_url)
    except InvalidUrl as error:
        raise ConfigurationError(
            f"DESTINATIONS_WEBHOOK_PROXY_URL: {error}; give one as in http://user:password@proxy.example.com:3128"
        ) from None


def webhook_settings(settings: Settings) -> WebhookSettings:
    section = settings.webhook
    return WebhookSettings(
        mode=section.mode,
        header_prefix=section.header_prefix,
        event_id_header_name=_directive(section.event_id_header_name, section.disable_default_event_id_header),
        signature_header_name=_directive(section.signature_header_name, section.disable_default_signature_header),
        timestamp_header_name=_directive(section.timestamp_header_name, section.disable_default_timestamp_header),
        topic_header_name=_directive(section.topic_header_name, section.disable_default_topic_header),
        signature_content_template=section.signature_content_template,
        signature_header_template=section.signature_header_template,
        signature_encoding=section.signature_encoding,
        signature_algorithm=section.signature_algorithm,
        signing_secret_template=section.signing_secret_template,
        max_response_body_bytes=section.max_response_body_bytes,
        user_agent=settings.destinations.http_user_agent or f"Outpost/{__version__}",
        timeout=settings.pipeline.delivery_timeout,
        include_millisecond_timestamp=settings.destinations.include_millisecond_timestamp,
        follow_redirects=settings.egress.follow_redirects,
        metadata_path=settings.destinations.metadata_path,
    )


def _directive(name: str | None, disabled: bool) -> str | None:
    """The deprecated switch takes a header away unless the header was given a name."""
    return "" if name is None and disabled else name
