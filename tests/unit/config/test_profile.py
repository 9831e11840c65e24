"""Which stores a configuration chooses, and what `serve` asks for."""

from pathlib import Path

import pytest

from outpost.config import server_requirements
from outpost.config.load import load_settings
from outpost.config.settings import Settings
from outpost.config.sqlite import SqliteSettings
from outpost.domain.errors import ConfigurationError

NOWHERE = Path("/nonexistent-folder-for-tests")
SECRETS = {"API_KEY": "k", "API_JWT_SECRET": "j", "AES_ENCRYPTION_SECRET": "a"}
EMBEDDED = {**SECRETS, "SQLITE_PATH": "o.db"}
DISTRIBUTED = {
    **SECRETS,
    "REDIS_HOST": "127.0.0.1",
    "POSTGRES_URL": "postgres://h/d",
    "RABBITMQ_SERVER_URL": "amqp://h",
}


def load(environ: dict[str, str]) -> Settings:
    return load_settings(environ=environ, cwd=NOWHERE)


@pytest.mark.parametrize(
    ("environ", "profile"),
    [
        ({"SQLITE_PATH": "o.db"}, "embedded"),
        ({"REDIS_HOST": "127.0.0.1"}, "distributed"),
        ({"REDIS_TLS_VERIFY": "false"}, "distributed"),
        ({"POSTGRES_URL": "postgres://h/d"}, "distributed"),
        ({"CLICKHOUSE_DATABASE": "outpost"}, "distributed"),
        ({"AWS_SQS_REGION": "eu"}, "distributed"),
        ({"AZURE_SERVICEBUS_NAMESPACE": "n"}, "distributed"),
        ({"PROFILE": "distributed"}, "distributed"),
        ({"PROFILE": "embedded", "SQLITE_PATH": "o.db"}, "embedded"),
        ({"PROFILE": "postgres", "POSTGRES_URL": "postgres://h/d"}, "postgres"),
        ({"SQLITE_PATH": "o.db", "PUBLISH_RABBITMQ_SERVER_URL": "amqp://h"}, "embedded"),
    ],
)
def test_the_profile_follows_what_is_configured(environ: dict[str, str], profile: str) -> None:
    assert load(environ).profile == profile


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"SQLITE_PATH": "o.db", "REDIS_HOST": "h"}, "SQLITE_PATH chooses the embedded profile and REDIS_HOST"),
        ({"PROFILE": "embedded", "REDIS_HOST": "h"}, "PROFILE is embedded, but REDIS_HOST belongs to another profile"),
        ({"PROFILE": "distributed", "SQLITE_PATH": "o.db"}, "PROFILE is distributed, but SQLITE_PATH"),
        ({"PROFILE": "postgres", "POSTGRES_URL": "x", "REDIS_HOST": "h"}, "PROFILE is postgres, but REDIS_HOST"),
    ],
)
def test_a_contradiction_is_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        _ = load(environ).profile


def test_nothing_configured_names_the_ways_to_start() -> None:
    with pytest.raises(ConfigurationError, match=r"`outpost dev`.*SQLITE_PATH=.*REDIS_HOST="):
        _ = load(SECRETS).profile


def test_an_empty_yaml_key_chooses_nothing(tmp_path: Path) -> None:
    (tmp_path / ".outpost.yaml").write_text("postgres: ''\nredis: {password: ''}\nsqlite: {path: o.db}\n")

    assert load_settings(environ={}, cwd=tmp_path).profile == "embedded"


def test_settings_made_by_hand_have_a_profile() -> None:
    assert Settings(sqlite=SqliteSettings(path="o.db")).profile == "embedded"


@pytest.mark.parametrize(
    "environ",
    [
        EMBEDDED,
        DISTRIBUTED,
        {**SECRETS, "PROFILE": "postgres", "POSTGRES_URL": "postgres://h/d"},
        {**EMBEDDED, "API_KEY": "", "ALLOW_OPEN_API": "true"},
        {**DISTRIBUTED, "SERVICE": "delivery", "API_KEY": "", "API_JWT_SECRET": ""},
        {**DISTRIBUTED, "RABBITMQ_SERVER_URL": "", "AWS_SQS_REGION": "eu"},
        {**EMBEDDED, "RETRY_INTERVAL_SECONDS": "0", "RETRY_SCHEDULE": "1"},
    ],
)
def test_a_complete_configuration_may_serve(environ: dict[str, str]) -> None:
    server_requirements.check(load(environ))


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({**EMBEDDED, "API_KEY": ""}, "API_KEY, or ALLOW_OPEN_API=true"),
        ({**EMBEDDED, "API_JWT_SECRET": ""}, "API_JWT_SECRET"),
        ({**EMBEDDED, "AES_ENCRYPTION_SECRET": ""}, "AES encryption secret is required"),
        ({**EMBEDDED, "SERVICE": "api"}, "distributed profile"),
        ({**EMBEDDED, "WORKERS": "2"}, "distributed profile"),
        ({**SECRETS, "PROFILE": "embedded"}, "SQLITE_PATH"),
        ({**EMBEDDED, "RETRY_INTERVAL_SECONDS": "0"}, "RETRY_INTERVAL_SECONDS must be at least 1"),
        ({**EMBEDDED, "PORTAL_PROXY_URL": "portal"}, "PORTAL_PROXY_URL is not a URL"),
        ({**EMBEDDED, "OTEL_SERVICE_NAME": "o", "OTEL_EXPORTER": "jaeger"}, "invalid OpenTelemetry exporter"),
        ({**EMBEDDED, "OTEL_SERVICE_NAME": "o", "OTEL_PROTOCOL": "udp"}, "invalid OpenTelemetry protocol"),
        ({**DISTRIBUTED, "POSTGRES_URL": ""}, "log storage must be provided"),
        (
            {**DISTRIBUTED, "RABBITMQ_SERVER_URL": ""},
            "message queue configuration is required: set RABBITMQ_SERVER_URL$",
        ),
        (
            {**DISTRIBUTED, "AWS_SQS_REGION": "eu", "AWS_SQS_ACCESS_KEY_ID": "x"},
            "AWS_SQS_ACCESS_KEY_ID and AWS_SQS_SECRET_ACCESS_KEY",
        ),
        ({**DISTRIBUTED, "PUBLISH_RABBITMQ_SERVER_URL": "amqp://h"}, "PUBLISH_RABBITMQ_QUEUE"),
        ({**DISTRIBUTED, "PUBLISH_AWS_SQS_REGION": "eu"}, "PUBLISH_AWS_SQS_QUEUE"),
        ({**DISTRIBUTED, "PUBLISH_GCP_PUBSUB_PROJECT": "p"}, "PUBLISH_GCP_PUBSUB_SUBSCRIPTION"),
        ({**SECRETS, "PROFILE": "postgres"}, "log storage must be provided"),
    ],
)
def test_what_serve_needs_is_asked_for(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        server_requirements.check(load(environ))


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        server_requirements.check(load({"REDIS_HOST": "h", "POSTGRES_URL": "postgres://h/d"}))

    assert [fault.split(":")[0] for fault in str(refusal.value).split("; and ")] == [
        "message queue configuration is required",
        "AES encryption secret is required",
        "API key is required",
        "API JWT secret is required",
    ]


def test_an_empty_redis_host_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".outpost.yaml").write_text("redis: {host: ''}\npostgres: postgres://h/d\n")

    with pytest.raises(ConfigurationError, match="redis configuration is required"):
        server_requirements.check(load_settings(environ=SECRETS, cwd=tmp_path))


def test_the_first_configured_broker_carries_the_queues() -> None:
    pairs = [
        ("RABBITMQ_SERVER_URL", "amqp://h", "rabbitmq"),
        ("GCP_PUBSUB_PROJECT", "p", "gcp_pubsub"),
        ("AZURE_SERVICEBUS_CONNECTION_STRING", "c", "azure_servicebus"),
        ("AWS_SQS_REGION", "eu", "aws_sqs"),
    ]
    environ: dict[str, str] = {}
    for name, value, broker in pairs:
        environ[name] = value
        assert load(environ).broker == broker


def test_a_service_principal_needs_all_six_values() -> None:
    names = ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "SUBSCRIPTION_ID", "RESOURCE_GROUP", "NAMESPACE")
    environ = {f"AZURE_SERVICEBUS_{name}": "x" for name in names}

    assert load(environ).broker == "azure_servicebus"
    assert load({**environ, "AZURE_SERVICEBUS_NAMESPACE": ""}).broker is None


@pytest.mark.parametrize(
    ("environ", "style"),
    [
        ({"SQLITE_PATH": "o.db"}, "uuidv7"),
        ({"REDIS_HOST": "h"}, "uuidv4"),
        ({"SQLITE_PATH": "o.db", "IDGEN_TYPE": "uuidv4"}, "uuidv4"),
    ],
)
def test_the_form_of_ids_follows_the_profile_unless_it_is_chosen(environ: dict[str, str], style: str) -> None:
    assert load(environ).id_style == style
