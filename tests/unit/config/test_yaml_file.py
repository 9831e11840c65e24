"""What a YAML file may say."""

from pathlib import Path

import pytest

from outpost.config.load import load_settings
from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError


def load(folder: Path, text: str, **environ: str) -> Settings:
    (folder / "outpost.yaml").write_text(text)
    return load_settings(config_path="outpost.yaml", environ=environ, cwd=folder)


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    text = """
deployment_id: blue
topics: [order.created, "order.*"]
topics_allow_wildcards: yes
retry_schedule: [1, 60]
postgres: postgres://u:p@h/d
redis:
  password: 0123
  port: 6380
  tls_enabled: on
mqs:
  rabbitmq:
    server_url: amqp://h
"""
    settings = load(tmp_path, text)

    assert settings.general.deployment_id == "blue"
    assert settings.topics.names == ("order.created", "order.*")
    assert settings.topics.allow_wildcards
    assert settings.retry.schedule_seconds == (1, 60)
    assert settings.postgres.url == "postgres://u:p@h/d"
    assert (settings.redis.password, settings.redis.port, settings.redis.tls_enabled) == ("0123", 6380, True)
    assert settings.rabbitmq.server_url == "amqp://h"
    assert settings.warnings == ()


def test_a_list_may_be_a_text_with_commas_with_a_warning(tmp_path: Path) -> None:
    settings = load(tmp_path, "topics: 'a, b'\nretry_schedule: 1,2\n")

    assert settings.topics.names == ("a", "b")
    assert settings.retry.schedule_seconds == (1, 2)
    assert "outpost.yaml, line 1: topics is a text with commas; write a YAML list" in settings.warnings


def test_a_section_without_content_is_absent(tmp_path: Path) -> None:
    assert load(tmp_path, "mqs:\nredis: ~\nportal: null\n") == load(tmp_path, "# nothing\n")


def test_anchors_and_merges_are_resolved(tmp_path: Path) -> None:
    text = "redis: &r {host: h, port: 7}\nportal: {logo: &l x.png, logo_dark: *l}\n"

    settings = load(tmp_path, text + "idgen:\n  <<: {event_prefix: evt_}\n")

    assert settings.portal.logo_dark == "x.png"
    assert settings.ids.event_prefix == "evt_"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("api_port: many\n", r"API_PORT \(outpost.yaml, line 1\): 'many': not a whole number"),
        ("api_port: 1.5\n", "not a whole number"),
        ("api_port: [1]\n", "one value is expected, not a list"),
        ("\nredis: nowhere\n", "outpost.yaml, line 2: redis must be a section"),
        ("postgres: {url: x}\n", "postgres must be a value, not a section"),
        ("topics_allow_wildcards: maybe\n", "neither true nor false"),
        ("api_port: 1\napi_port: 2\n", "line 2: api_port is written twice"),
        ("- a\n- b\n", "the file must be a section"),
        ("api_port: 1\napi_key: 'hunter2\n", "not valid YAML"),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        load(tmp_path, text)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("retry_shedule: [1]\n", "retry_shedule is not a setting; did you mean retry_schedule?"),
        ("whatever: {a: 1}\n", "whatever is not a setting and has no effect"),
        ("mqs: {awssqs: {region: x}}\n", "mqs.awssqs is not read; write mqs.aws_sqs"),
        ("rabbitmq: {server_url: x}\n", "rabbitmq is not read; write mqs.rabbitmq"),
        ("delivery: {max_concurrency: 3}\n", "delivery.max_concurrency is not read; write delivery_max_concurrency"),
        ("idgen: {delivery_prefix: x}\n", "idgen.delivery_prefix is not read; write idgen.attempt_prefix"),
    ],
)
def test_a_key_that_is_not_known_is_reported_with_a_hint(tmp_path: Path, text: str, warning: str) -> None:
    assert load(tmp_path, text).warnings == (f"outpost.yaml, line 1: {warning}",)


def test_older_yaml_names_are_honoured_below_the_real_one(tmp_path: Path) -> None:
    portal = load(tmp_path, "portal: {accent_color: red, organization_name: old, org_name: new}\n").portal

    assert (portal.brand_color, portal.organization_name) == ("red", "new")


def test_an_empty_text_is_a_value_where_a_text_is_expected(tmp_path: Path) -> None:
    settings = load(tmp_path, "redis: {host: ''}\nidgen: {type: ''}\n")

    assert settings.redis.host == ""
    assert settings.ids.style is None
