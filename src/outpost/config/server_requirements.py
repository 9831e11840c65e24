"""What `serve` needs beyond values that are right one by one.

The order is fixed: stores, queues, publish queue, secrets, portal, telemetry,
retries. The first fault ends the start.
"""

from urllib.parse import urlsplit

from outpost.config.otel import EXPORTERS, PROTOCOLS, OtelSettings
from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError


def check(settings: Settings) -> None:
    """Raise ConfigurationError unless `serve` can start with `settings`."""
    match settings.profile:
        case "embedded":
            _check_embedded(settings)
        case "distributed":
            _check_distributed(settings)
        case "postgres":
            _require(settings.postgres.url, "log storage must be provided: set POSTGRES_URL")
    _check_publish_queue(settings)
    _check_secrets(settings)
    _check_portal(settings.portal.proxy_url)
    _check_otel(settings.otel)
    if not settings.retry.schedule_seconds and settings.retry.interval_seconds < 1:
        raise ConfigurationError("RETRY_INTERVAL_SECONDS must be at least 1, unless RETRY_SCHEDULE is set")


def _check_embedded(settings: Settings) -> None:
    _require(settings.sqlite.path, "PROFILE is embedded: set SQLITE_PATH to the database file")
    if settings.general.service != "all":
        raise ConfigurationError(
            f"SERVICE is {settings.general.service}, but the embedded profile runs every role in one process; "
            "unset SERVICE, or configure the distributed profile (REDIS_HOST=...)"
        )
    if settings.general.workers > 1:
        raise ConfigurationError(
            f"WORKERS is {settings.general.workers}, but the embedded profile is one process; "
            "set WORKERS to 1, or configure the distributed profile (REDIS_HOST=...)"
        )


def _check_distributed(settings: Settings) -> None:
    _require(settings.redis.host, "redis configuration is required: set REDIS_HOST")
    _require(
        settings.postgres.url or settings.clickhouse.addr,
        "log storage must be provided: set POSTGRES_URL or CLICKHOUSE_ADDR",
    )
    _require(
        settings.broker,
        "message queue configuration is required: set RABBITMQ_SERVER_URL, AWS_SQS_REGION, GCP_PUBSUB_PROJECT or "
        "AZURE_SERVICEBUS_CONNECTION_STRING",
    )
    if settings.broker == "aws_sqs":
        _check_key_pair(settings.aws_sqs.access_key_id, settings.aws_sqs.secret_access_key, "AWS_SQS")


def _check_publish_queue(settings: Settings) -> None:
    sqs, pubsub, rabbitmq = settings.publish_aws_sqs, settings.publish_gcp_pubsub, settings.publish_rabbitmq
    match settings.publish_broker:
        case "aws_sqs":
            _check_key_pair(sqs.access_key_id, sqs.secret_access_key, "PUBLISH_AWS_SQS")
            _require(sqs.queue, "PUBLISH_AWS_SQS_REGION is set: set PUBLISH_AWS_SQS_QUEUE too")
        case "gcp_pubsub":
            _require(pubsub.subscription, "PUBLISH_GCP_PUBSUB_PROJECT is set: set PUBLISH_GCP_PUBSUB_SUBSCRIPTION too")
        case "rabbitmq":
            _require(rabbitmq.queue, "PUBLISH_RABBITMQ_SERVER_URL is set: set PUBLISH_RABBITMQ_QUEUE too")
        case "azure_servicebus" | None:
            pass


def _check_secrets(settings: Settings) -> None:
    _require(settings.general.aes_encryption_secret, "AES encryption secret is required: set AES_ENCRYPTION_SECRET")
    if settings.general.service not in ("all", "api"):
        return
    _require(
        settings.api.key or settings.api.allow_open,
        "API key is required: set API_KEY, or ALLOW_OPEN_API=true to let every caller in as the operator",
    )
    _require(settings.api.jwt_secret, "API JWT secret is required: set API_JWT_SECRET")


def _check_portal(proxy_url: str) -> None:
    if not proxy_url:
        return
    try:
        parts = urlsplit(proxy_url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        whole = False
    _require(whole, "PORTAL_PROXY_URL is not a URL; give one as in https://portal.example.com")


def _check_otel(otel: OtelSettings) -> None:
    if not otel.service_name:
        return
    for signal in ("traces", "metrics", "logs"):
        exporter, protocol = getattr(otel, f"{signal}_exporter"), getattr(otel, f"{signal}_protocol")
        if exporter not in EXPORTERS:
            raise ConfigurationError(f"invalid OpenTelemetry exporter for {signal}; allowed: {', '.join(EXPORTERS)}")
        if protocol not in PROTOCOLS:
            raise ConfigurationError(f"invalid OpenTelemetry protocol for {signal}; allowed: {', '.join(PROTOCOLS)}")


def _check_key_pair(access_key_id: str, secret_access_key: str, start: str) -> None:
    if bool(access_key_id) != bool(secret_access_key):
        raise ConfigurationError(
            f"set both {start}_ACCESS_KEY_ID and {start}_SECRET_ACCESS_KEY, or neither to use the credentials of the "
            "environment"
        )


def _require(present: object, otherwise: str) -> None:
    if not present:
        raise ConfigurationError(otherwise)
