"""What `serve` needs beyond values that are right one by one.

The order is fixed: stores, queues, publish queue, secrets, portal, telemetry, retries. All faults are told at once.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from outpost.config.otel import EXPORTERS, PROTOCOLS, OtelSettings
from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError


def check(settings: Settings) -> None:
    """Raise ConfigurationError, naming everything that is missing, unless `serve` can start with `settings`."""
    faults = list(_faults(settings))
    if faults:
        raise ConfigurationError("; and ".join(faults))


def _faults(settings: Settings) -> Iterator[str]:
    match settings.profile:
        case "embedded":
            yield from _embedded(settings)
        case "distributed":
            yield from _distributed(settings)
        case "postgres":
            if not settings.postgres.url:
                yield "log storage must be provided: set POSTGRES_URL"
    yield from _publish_queue(settings)
    yield from _secrets(settings)
    if not _is_url_or_empty(settings.portal.proxy_url):
        yield "PORTAL_PROXY_URL is not a URL; give one as in https://portal.example.com"
    if settings.otel.service_name:
        yield from _telemetry(settings.otel)
    if not settings.retry.schedule_seconds and settings.retry.interval_seconds < 1:
        yield "RETRY_INTERVAL_SECONDS must be at least 1, unless RETRY_SCHEDULE is set"


def _embedded(settings: Settings) -> Iterator[str]:
    if not settings.sqlite.path:
        yield "PROFILE is embedded: set SQLITE_PATH to the database file"
    if settings.general.service != "all":
        yield (
            f"SERVICE is {settings.general.service}, but the embedded profile runs every role in one process; "
            "unset SERVICE, or configure the distributed profile (REDIS_HOST=...)"
        )
    if settings.general.workers > 1:
        yield (
            f"WORKERS is {settings.general.workers}, but the embedded profile is one process; "
            "set WORKERS to 1, or configure the distributed profile (REDIS_HOST=...)"
        )


def _distributed(settings: Settings) -> Iterator[str]:
    if not settings.redis.host:
        yield "redis configuration is required: set REDIS_HOST"
    if not (settings.postgres.url or settings.clickhouse.addr):
        yield "log storage must be provided: set POSTGRES_URL or CLICKHOUSE_ADDR"
    if not settings.broker:
        yield "message queue configuration is required: set RABBITMQ_SERVER_URL"
    if settings.broker == "aws_sqs":
        yield from _key_pair(settings.aws_sqs.access_key_id, settings.aws_sqs.secret_access_key, "AWS_SQS")


def _publish_queue(settings: Settings) -> Iterator[str]:
    sqs, pubsub, rabbitmq = settings.publish_aws_sqs, settings.publish_gcp_pubsub, settings.publish_rabbitmq
    match settings.publish_broker:
        case "aws_sqs":
            yield from _key_pair(sqs.access_key_id, sqs.secret_access_key, "PUBLISH_AWS_SQS")
            if not sqs.queue:
                yield "PUBLISH_AWS_SQS_REGION is set: set PUBLISH_AWS_SQS_QUEUE too"
        case "gcp_pubsub":
            if not pubsub.subscription:
                yield "PUBLISH_GCP_PUBSUB_PROJECT is set: set PUBLISH_GCP_PUBSUB_SUBSCRIPTION too"
        case "rabbitmq":
            if not rabbitmq.queue:
                yield "PUBLISH_RABBITMQ_SERVER_URL is set: set PUBLISH_RABBITMQ_QUEUE too"
        case "azure_servicebus" | None:
            pass


def _secrets(settings: Settings) -> Iterator[str]:
    if not settings.general.aes_encryption_secret:
        yield "AES encryption secret is required: set AES_ENCRYPTION_SECRET"
    if settings.general.service not in ("all", "api"):
        return
    if not (settings.api.key or settings.api.allow_open):
        yield "API key is required: set API_KEY, or ALLOW_OPEN_API=true to let every caller in as the operator"
    if not settings.api.jwt_secret:
        yield "API JWT secret is required: set API_JWT_SECRET"


def _telemetry(otel: OtelSettings) -> Iterator[str]:
    for signal in ("traces", "metrics", "logs"):
        exporter, protocol = getattr(otel, f"{signal}_exporter"), getattr(otel, f"{signal}_protocol")
        if exporter not in EXPORTERS:
            yield f"invalid OpenTelemetry exporter for {signal}; allowed: {', '.join(EXPORTERS)}"
        if protocol not in PROTOCOLS:
            yield f"invalid OpenTelemetry protocol for {signal}; allowed: {', '.join(PROTOCOLS)}"


def _key_pair(access_key_id: str, secret_access_key: str, start: str) -> Iterator[str]:
    if bool(access_key_id) != bool(secret_access_key):
        yield (
            f"set both {start}_ACCESS_KEY_ID and {start}_SECRET_ACCESS_KEY, or neither to use the credentials of the "
            "environment"
        )


def _is_url_or_empty(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return not text or (parts.scheme in ("http", "https") and bool(parts.hostname))
