"""What is shown of a configuration."""

from pathlib import Path

import pytest

from outpost.config.load import load_settings
from outpost.config.settings import SETTINGS
from outpost.config.summary import summary

NOWHERE = Path("/nonexistent-folder-for-tests")
ALWAYS_SHOWN = """
service version config_file_path log_level deployment_id topics http_user_agent
api_port api_key_configured api_jwt_secret_configured gin_mode aes_encryption_secret_configured
redis_host redis_port redis_password_configured redis_database redis_tls_enabled redis_cluster_enabled
postgres_configured postgres_host clickhouse_configured clickhouse_addr clickhouse_database
clickhouse_password_configured clickhouse_tls_enabled
mq_type publish_max_concurrency delivery_max_concurrency log_max_concurrency
retry_schedule retry_interval_seconds retry_max_limit retry_poll_backoff_ms
max_destinations_per_tenant delivery_timeout_seconds delivery_max_idle_conns delivery_max_idle_conns_per_host
publish_idempotency_key_ttl delivery_idempotency_key_ttl log_batch_threshold_seconds log_batch_size
telemetry_disabled alert_consecutive_failure_enabled alert_consecutive_failure_count
alert_auto_disable_destination alert_exhausted_retries_enabled alert_exhausted_retries_window_seconds
idgen_type idgen_event_prefix clickhouse_log_retention_ttl_days
destinations_webhook_event_id_header destinations_webhook_signature_header
destinations_webhook_timestamp_header destinations_webhook_topic_header
"""
BROKER_FIELDS = {
    "RABBITMQ_SERVER_URL=amqp://u:p@h": """rabbitmq_url rabbitmq_exchange rabbitmq_delivery_queue rabbitmq_log_queue
        rabbitmq_delivery_dlq rabbitmq_log_dlq""",
    "AWS_SQS_REGION=eu": """aws_access_key_configured aws_secret_key_configured aws_region aws_delivery_queue
        aws_log_queue aws_delivery_dlq aws_log_dlq""",
    "GCP_PUBSUB_PROJECT=p": """gcp_credentials_configured gcp_project_id gcp_delivery_topic gcp_log_topic
        gcp_delivery_subscription gcp_log_subscription gcp_delivery_dlq_topic gcp_log_dlq_topic
        gcp_delivery_dlq_subscription gcp_log_dlq_subscription""",
    "AZURE_SERVICEBUS_CONNECTION_STRING=c": """azure_connection_string_configured azure_delivery_topic azure_log_topic
        azure_delivery_subscription azure_log_subscription""",
}


def shown(**environ: str) -> dict[str, object]:
    return summary(load_settings(environ=environ, cwd=NOWHERE))


def test_the_known_fields_are_shown() -> None:
    assert set(ALWAYS_SHOWN.split()) <= set(shown())


@pytest.mark.parametrize("setting", BROKER_FIELDS)
def test_the_fields_of_the_broker_in_use_are_shown_and_no_other(setting: str) -> None:
    name, _, value = setting.partition("=")
    fields = set(shown(**{name: value}))

    assert set(BROKER_FIELDS[setting].split()) <= fields
    others = [set(text.split()) for key, text in BROKER_FIELDS.items() if key != setting]
    assert not fields & set().union(*others)


def test_no_secret_is_shown() -> None:
    environ = {row.key.env: f"amqp://u:hunter2@{row.field}" for row in SETTINGS if row.key.secret}

    fields = shown(**environ, PUBLISH_RABBITMQ_QUEUE="q")

    assert "hunter2" not in repr(fields)
    assert fields["api_key_configured"] is True
    assert fields["postgres_host"] == "url"


def test_header_names_are_shown_as_disabled_default_or_named() -> None:
    fields = shown(
        DESTINATIONS_WEBHOOK_EVENT_ID_HEADER_NAME=" ",
        DESTINATIONS_WEBHOOK_TOPIC_HEADER_NAME="X-Topic",
        DESTINATIONS_WEBHOOK_DISABLE_DEFAULT_TOPIC_HEADER="true",
        DESTINATIONS_WEBHOOK_DISABLE_DEFAULT_SIGNATURE_HEADER="true",
    )

    names = ("event_id", "topic", "signature", "timestamp")
    assert [fields[f"destinations_webhook_{name}_header"] for name in names] == [
        "disabled",
        "X-Topic",
        "disabled",
        "<default>",
    ]


def test_effective_values_are_shown() -> None:
    fields = shown(RETRY_INTERVAL_SECONDS="2", RETRY_SCHEDULE="4,5", ALERT_CONSECUTIVE_FAILURE_COUNT="")

    assert fields["retry_poll_backoff_ms"] == 4000
    assert fields["retry_max_limit"] == 2
    assert fields["alert_consecutive_failure_enabled"] is False
    assert fields["delivery_max_concurrency"] == "automatic"
    assert fields["profile"] == "none"
    assert fields["idgen_type"] == "automatic"
    assert shown(REDIS_HOST="h")["idgen_type"] == "uuidv4"


@pytest.mark.parametrize("text", ["disable_telemetry: true\n", "telemetry: {disabled: true}\n"])
def test_either_switch_disables_usage_reporting(tmp_path: Path, text: str) -> None:
    """FIX-31."""
    (tmp_path / ".outpost.yaml").write_text(text)

    assert summary(load_settings(environ={}, cwd=tmp_path))["telemetry_disabled"] is True
