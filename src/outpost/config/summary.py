"""The configuration in force, without its secrets: what `config list` prints and `serve` logs at start."""

from collections.abc import Iterator

from outpost import __version__
from outpost.config.masking import mask_url, url_host
from outpost.config.setting import Setting
from outpost.config.settings import SETTINGS, Settings
from outpost.domain.errors import ConfigurationError

_BROKER_TYPES = {
    "aws_sqs": "awssqs",
    "azure_servicebus": "azure_service_bus",
    "gcp_pubsub": "gcppubsub",
    "rabbitmq": "rabbitmq",
}


def summary(settings: Settings) -> dict[str, object]:
    """Return what is in force by the name it is shown under, sorted; texts, numbers, booleans and tuples of them.

    A secret is shown as `<name>_configured`, a URL without user, password and query. Brokers that are not used are
    left out.
    """
    fields = {name: value for row in SETTINGS if _concerns(settings, row) for name, value in _field(settings, row)}
    fields |= _derived(settings)
    return dict(sorted(fields.items()))


def _concerns(settings: Settings, row: Setting) -> bool:
    key, section = row.key, row.section
    if key.deprecated or section == "usage_telemetry":
        return False
    if section in _BROKER_TYPES:
        return section == settings.broker
    if section.startswith("publish_"):
        return section == f"publish_{settings.publish_broker}"
    if section == "operator_events" and row.field != "topics":
        return row.field.startswith(settings.operator_events.sink or "none")
    return row.name not in ("postgres.url", "general.disable_telemetry")


def _field(settings: Settings, row: Setting) -> Iterator[tuple[str, object]]:
    key, value = row.key, settings.value(row)
    name = key.shown or key.env.lower()
    if key.url:
        yield name, mask_url(str(value))
    elif key.secret:
        yield f"{name}_configured", bool(value)
    elif key.keeps_empty and row.section == "webhook":
        yield name, _header(settings, row)
    elif value is None:
        yield name, "automatic"
    else:
        yield name, value


def _header(settings: Settings, row: Setting) -> str:
    """`disabled`, `<default>` or the header's own name."""
    name: str | None = getattr(settings.webhook, row.field)
    if name is not None:
        return name.strip() or "disabled"
    off = getattr(settings.webhook, f"disable_default_{row.field.removesuffix('_name')}")
    return "disabled" if off else "<default>"


def _derived(settings: Settings) -> dict[str, object]:
    alert = settings.alert
    return {
        "version": __version__,
        "config_file_path": settings.config_file or "none (environment and defaults)",
        "profile": _profile(settings),
        "postgres_configured": bool(settings.postgres.url),
        "postgres_host": url_host(settings.postgres.url),
        "clickhouse_configured": bool(settings.clickhouse.addr),
        "mq_type": _BROKER_TYPES[settings.broker] if settings.broker else "none",
        "publish_mq_type": _BROKER_TYPES[settings.publish_broker] if settings.publish_broker else "none",
        "idgen_type": _id_style(settings),
        "retry_poll_backoff_ms": settings.retry.effective_poll_backoff_ms,
        "delivery_max_idle_conns": "automatic",
        "delivery_max_idle_conns_per_host": "automatic",
        "telemetry_disabled": settings.general.disable_telemetry or settings.usage_telemetry.disabled,
        "alert_consecutive_failure_enabled": alert.consecutive_failure_count is not None,
        "alert_consecutive_failure_count": alert.consecutive_failure_count or 0,
        "alert_exhausted_retries_enabled": alert.exhausted_retries_window_seconds is not None,
        "alert_exhausted_retries_window_seconds": alert.exhausted_retries_window_seconds or 0,
    }


def _profile(settings: Settings) -> str:
    try:
        return settings.profile
    except ConfigurationError:
        return "none"


def _id_style(settings: Settings) -> str:
    try:
        return settings.id_style
    except ConfigurationError:
        return "automatic"
