"""What each value may be, and what is said about one that is not allowed."""

from datetime import timedelta
from pathlib import Path

import pytest

from outpost.config.load import load_settings
from outpost.config.parse import Given, parse
from outpost.config.settings import SETTINGS, Settings
from outpost.domain.errors import ConfigurationError

NOWHERE = Path("/nonexistent-folder-for-tests")


def load(**environ: str) -> Settings:
    return load_settings(environ=environ, cwd=NOWHERE)


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_words_that_switch_on(text: str) -> None:
    assert load(REDIS_TLS_ENABLED=text).redis.tls_enabled


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_words_that_switch_off(text: str) -> None:
    assert not load(EGRESS_GUARD=text).egress.guard


def test_yes_is_no_switch_in_the_environment() -> None:
    with pytest.raises(ConfigurationError, match=r"EGRESS_GUARD .*neither true nor false; allowed: true or false"):
        load(EGRESS_GUARD="yes")


def test_lists_are_split_at_commas_and_trimmed() -> None:
    settings = load(TOPICS=" a , b ,", RETRY_SCHEDULE=" 5, 30 ")

    assert settings.topics.names == ("a", "b")
    assert settings.retry.schedule_seconds == (5, 30)


def test_a_list_of_blanks_is_empty() -> None:
    assert load(TOPICS=" , ,").topics.names == ()


def test_an_empty_variable_is_not_set() -> None:
    settings = load(API_PORT="", REDIS_HOST="")

    assert settings.api.port == 3333
    assert settings.sources == {}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "API_PORT",
            "65536",
            r"API_PORT \(environment\): '65536': out of range; allowed: a whole number from 0 to 65535",
        ),
        ("API_PORT", "80 ", "not a whole number"),
        ("API_PORT", "²", "not a whole number"),
        ("REDIS_PORT", "tcp://10.0.0.1:6379", "enableServiceLinks"),
        ("SERVICE", "web", "invalid service type"),
        ("LOG_LEVEL", "loud", "trace, debug, info, warn, error"),
        ("DEPLOYMENT_ID", "a b", "deployment_id may have at most 64 characters"),
        ("DEPLOYMENT_ID", "x" * 65, "deployment_id"),
        ("IDGEN_TYPE", "ulid", "invalid id type; allowed: uuidv4, uuidv7, nanoid"),
        ("PROFILE", "tiny", "embedded, distributed, postgres"),
        ("PUBLISH_IDEMPOTENCY_KEY_TTL", "0", "1 or more"),
        ("DELIVERY_IDEMPOTENCY_KEY_TTL", "0", "1 or more"),
        ("RETRY_SCHEDULE", "5,0", "1 or more"),
        ("RETRY_SCHEDULE", "5,,6", "not a whole number"),
        ("RETRY_POLL_BACKOFF_MS", "-1", "0 or more"),
        ("CLICKHOUSE_LOG_RETENTION_TTL_DAYS", "-1", "0 or more"),
        ("DELIVERY_MAX_CONCURRENCY", "0", "1 or more"),
        ("MAX_RETRY_LIMIT", "99999999999", "out of range"),
        ("ALERT_CONSECUTIVE_FAILURE_COUNT", "0", r"1 or more, or empty \(no alert\)"),
        ("ALERT_EXHAUSTED_RETRIES_WINDOW_SECONDS", "-1", "out of range"),
        ("EGRESS_ALLOW", "10.0.0.1/8", "not a network"),
        ("EGRESS_ALLOW", "so/what", "not a network"),
        ("EGRESS_ALLOW", "a b", "a host name or a suffix"),
        ("TRUSTED_PROXIES", "proxy.internal", "not a network"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        load(**{name: value})

    assert name in str(caught.value)


def test_an_error_shows_only_the_shape_of_a_secret() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(RABBITMQ_SERVER_URL="http://guest:hunter2@h")

    assert str(caught.value).startswith("RABBITMQ_SERVER_URL (environment): a text of 22 characters: not a URL")


def test_an_error_masks_a_url_in_the_wrong_place() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(API_PORT="amqp://guest:hunter2@h")

    assert "hunter2" not in str(caught.value)


def test_no_secret_can_appear_in_a_representation() -> None:
    secrets = {row.key.env: f"amqp://hunter2@{row.field}" for row in SETTINGS if row.key.secret}

    assert "hunter2" not in repr(load(**secrets))
    assert len(secrets) > 15


def test_networks_hosts_and_suffixes_are_allowed_through_the_guard() -> None:
    entries = ("10.0.0.0/8", "::1", "fc00::/7", "127.0.0.1", "localhost", "*.internal", "kafka_1.svc")

    assert load(EGRESS_ALLOW=",".join(entries)).egress.allow == entries


@pytest.mark.parametrize(("text", "expected"), [(None, 100), ("", None), (" ", None), (" 7 ", 7)])
def test_an_alert_is_unset_empty_or_a_number(text: str | None, expected: int | None) -> None:
    environ = {} if text is None else {"ALERT_CONSECUTIVE_FAILURE_COUNT": text}

    assert load(**environ).alert.consecutive_failure_count == expected


@pytest.mark.parametrize(
    ("environment", "yaml", "expected"),
    [
        (None, "", None),
        (None, "event_id_header_name:", None),
        (None, 'event_id_header_name: ""', ""),
        (None, "event_id_header_name: X-Id", "X-Id"),
        ("", "event_id_header_name: X-Id", ""),
        ("X-Env", 'event_id_header_name: ""', "X-Env"),
    ],
)
def test_an_optional_text_has_three_states_and_the_environment_wins(
    tmp_path: Path, environment: str | None, yaml: str, expected: str | None
) -> None:
    (tmp_path / "o.yaml").write_text(f"destinations:\n  webhook:\n    header_prefix: x-\n    {yaml}\n")
    environ = {} if environment is None else {"DESTINATIONS_WEBHOOK_EVENT_ID_HEADER_NAME": environment}

    settings = load_settings(config_path="o.yaml", environ=environ, cwd=tmp_path)

    assert settings.webhook.event_id_header_name == expected


def test_an_empty_optional_text_in_an_env_file_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ALERT_CONSECUTIVE_FAILURE_COUNT=\n")

    assert load_settings(environ={}, cwd=tmp_path).alert.consecutive_failure_count == 100


def test_zero_has_a_meaning_of_its_own_in_time_outs() -> None:
    settings = load(DELIVERY_TIMEOUT_SECONDS="0", RETRY_VISIBILITY_TIMEOUT_SECONDS="-3")

    assert settings.pipeline.delivery_timeout == timedelta(seconds=5)
    assert settings.retry.visibility_timeout_seconds == 30


def test_concurrency_is_automatic_until_it_is_set() -> None:
    assert load().pipeline.delivery_max_concurrency is None
    assert load(DELIVERY_MAX_CONCURRENCY="1").pipeline.delivery_max_concurrency == 1


def test_levels_are_recognised_in_upper_case() -> None:
    assert load(LOG_LEVEL="WARN").general.log_level == "warn"


def test_a_schedule_sets_the_number_of_retries() -> None:
    policy = load(RETRY_SCHEDULE="5,30", MAX_RETRY_LIMIT="9").retry.policy()

    assert policy.max_retries == 2
    assert [policy.delay_after(n) for n in (1, 2, 3)] == [timedelta(seconds=5), timedelta(seconds=30), None]


def test_without_a_schedule_retries_double_from_the_interval() -> None:
    policy = load(RETRY_INTERVAL_SECONDS="2", MAX_RETRY_LIMIT="2").retry.policy()

    assert [policy.delay_after(n) for n in (1, 2, 3)] == [timedelta(seconds=2), timedelta(seconds=4), None]


def test_jitter_is_off_until_a_share_is_given() -> None:
    """FIX-24."""
    assert load().retry.policy().jitter == 0
    assert load(RETRY_JITTER_PERCENT="25").retry.policy().jitter == 0.25


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 30_000),
        ({"RETRY_INTERVAL_SECONDS": "2"}, 2000),
        ({"RETRY_SCHEDULE": "60,3"}, 3000),
        ({"RETRY_INTERVAL_SECONDS": "600"}, 30_000),
        ({"RETRY_POLL_BACKOFF_MS": "250"}, 250),
    ],
)
def test_the_scheduler_sleeps_no_longer_than_the_shortest_delay(environ: dict[str, str], expected: int) -> None:
    assert load(**environ).retry.effective_poll_backoff_ms == expected


def test_dead_letter_names_follow_the_queues() -> None:
    settings = load(RABBITMQ_DELIVERY_QUEUE="d", AWS_SQS_LOG_QUEUE="l", GCP_PUBSUB_DELIVERY_TOPIC="t")

    assert settings.rabbitmq.delivery_dlq == "d.dlq"
    assert settings.aws_sqs.log_dlq == "l-dlq"
    assert settings.gcp_pubsub.delivery_dlq_subscription == "t-dlq-sub"


@pytest.mark.parametrize(
    ("addr", "tls", "expected"),
    [
        ("ch:9000", "false", "http://ch:8123"),
        ("ch:9440", "false", "https://ch:8443"),
        ("ch:9000", "true", "https://ch:8123"),
        ("ch", "true", "https://ch:8443"),
        ("ch", "false", "http://ch:8123"),
        ("[::1]:9000", "false", "http://[::1]:8123"),
        ("ch:18123", "false", "http://ch:18123"),
    ],
)
def test_the_http_address_of_clickhouse_follows_the_native_one(addr: str, tls: str, expected: str) -> None:
    assert load(CLICKHOUSE_ADDR=addr, CLICKHOUSE_TLS_ENABLED=tls).clickhouse.http_url == expected


@pytest.mark.parametrize(("written", "kept"), [("-1", 0), ("0", 0), ("1", 1)])
def test_no_limit_to_the_answers_of_webhooks_may_be_written_as_a_negative_one(written: str, kept: int) -> None:
    settings = load(DESTINATIONS_WEBHOOK_MAX_RESPONSE_BODY_BYTES=written)

    assert settings.webhook.max_response_body_bytes == kept


def test_an_unknown_word_counts_as_the_usual_one_with_a_warning() -> None:
    settings = load(DESTINATIONS_WEBHOOK_MODE="fancy", DESTINATIONS_WEBHOOK_SIGNATURE_ENCODING="base32")

    assert (settings.webhook.mode, settings.webhook.signature_encoding) == ("default", "hex")
    assert len(settings.warnings) == 2


def test_deprecated_switches_and_renamed_topics_are_reported() -> None:
    settings = load(
        DESTINATIONS_WEBHOOK_DISABLE_DEFAULT_TOPIC_HEADER="true",
        OPERATOR_EVENTS_TOPICS="tenant.subscriptions.updated",
    )

    assert any("DESTINATIONS_WEBHOOK_TOPIC_HEADER_NAME" in warning for warning in settings.warnings)
    assert any("write tenant.subscription.updated" in warning for warning in settings.warnings)


def test_defaults_are_allowed_values() -> None:
    for row in SETTINGS:
        if isinstance(row.default, (int, str)) and row.default != "":
            text = str(row.default).lower() if isinstance(row.default, bool) else str(row.default)
            assert parse(row, Given(text, "test")) == row.default
