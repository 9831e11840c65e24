"""The `webhook` type: its description, its rules, and what of a destination is shown."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outpost.clients.http import HttpClient
from outpost.destinations.webhook.provider import WebhookProvider
from outpost.destinations.webhook.settings import WebhookSettings
from outpost.domain.errors import ConfigurationError, ValidationFailed
from outpost.ports.provider import DestinationChange
from tests.support.builders import a_destination

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def a_provider(**settings: Any) -> WebhookProvider:
    return WebhookProvider(WebhookSettings(**settings), HttpClient())


def found(config: dict[str, str], credentials: dict[str, str] | None = None, **settings: Any) -> tuple[str, ...]:
    """Return what the provider says about a destination."""
    try:
        a_provider(**settings).validate(a_destination(config=config, credentials=credentials or {}))
    except ValidationFailed as failed:
        return failed.messages
    return ()


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://user:pass@example.com:8443/p?q=%20#f",
        "http://localhost",
        "http://10.0.0.1",
        "https://[::1]:80/",
        "https://bücher.example/☃",
        "http://example.com./",
        "http://2130706433/",
        "http://my_host/a%zz",
        "https://a:/",
        "https://a:65535",
    ],
)
def test_a_url_may_be(url: str) -> None:
    assert found({"url": url}) == ()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "config.url is required"),
        ("example.com", "config.url failed pattern validation"),
        ("ftp://example.com", "config.url failed pattern validation"),
        ("HTTPS://example.com", "config.url failed pattern validation"),
        ("https://", "config.url failed pattern validation"),
        ("https://a b", "config.url failed pattern validation"),
        ("https://a\n", "config.url failed pattern validation"),
        (" https://a", "config.url failed pattern validation"),
    ],
)
def test_a_url_may_not_be(url: str, message: str) -> None:
    assert found({"url": url}) == (message,)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://[::1", "bracket"),
        ("http://[fe80::1%25eth0]/", "zone"),
        ("http://[::1]x/", "port"),
        ("http://a:0/", "port"),
        ("http://a:-1/", "port"),
        ("http://a:99999/", "port"),
        ("http:///x", "names no host"),
        ("http://:80/", "names no host"),
        ("http://user:pw@/", "names no host"),
        ("http://1.2.3.4.5/", "no IPv4 address"),
        ("http://a..b/", "host name"),
        ("http://a%zzb/", "host name"),
        ("http://good.example\\@evil.example/", "backslash"),
        ("http://user:%zz@a/", "password"),
        (f"http://{'a' * 64}/", "host name"),
    ],
)
def test_a_url_to_which_nothing_could_be_sent_is_refused_with_the_reason(url: str, reason: str) -> None:
    (message,) = found({"url": url})

    assert message.startswith("config.url failed pattern validation: the ")
    assert reason in message


def test_everything_that_is_wrong_is_said_at_once_config_first() -> None:
    messages = found({"custom_headers": '{"Host":"a","b c":"d"}'}, {"previous_secret": "p"})

    assert messages == (
        "config.url is required",
        "config.custom_headers.host is forbidden",
        "config.custom_headers.b c failed pattern validation",
        "credentials.secret is required",
    )


def test_standard_mode_asks_for_its_form_of_secrets() -> None:
    config = {"url": "https://a"}

    assert found(config, {"secret": "plain"}) == ()
    assert found(config, {"secret": "plain"}, mode="standard") == ("credentials.secret failed pattern validation",)


async def test_preparing_gives_a_new_destination_its_secret_and_leaves_the_rest() -> None:
    wanted = a_destination(credentials={"other": "x"})
    change = DestinationChange(wanted=wanted, stored=None, role="tenant", sent_credentials={}, now=NOW)

    made = await a_provider().prepare(change)

    assert set(made.credentials) == {"secret"}
    assert made.config == wanted.config


@pytest.mark.parametrize(
    ("ends", "shown"),
    [("2026-01-02T03:04:05Z", True), ("2026-01-02T03:04:04Z", False), ("2027-01-01T00:00:00Z", True), ("never", True)],
)
def test_a_previous_secret_is_shown_while_it_is_valid(ends: str, shown: bool) -> None:
    credentials = {"secret": "s", "previous_secret": "p", "previous_secret_invalid_at": ends}
    destination = a_destination(credentials=credentials)

    assert a_provider().shown_credentials(destination, now=NOW) == (credentials if shown else {"secret": "s"})
    assert destination.credentials == credentials


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com/hook?a=1", "https://example.com/hook?a=1"),
        ("https://user:hush@example.com/", "https://user:****@example.com/"),
        ("https://user:hu@sh@example.com/", "https://user:****@example.com/"),
        ("https://us@er:hush@example.com/", "https://us@er:****@example.com/"),
        ("https://:hush@example.com", "https://:****@example.com"),
        ("https://user@example.com:8080/a:b@c", "https://user@example.com:8080/a:b@c"),
        ("https://example.com:8080/?q=a:b@c", "https://example.com:8080/?q=a:b@c"),
    ],
)
def test_the_target_is_the_url_without_its_password(url: str, target: str) -> None:
    assert a_provider().target(a_destination(config={"url": url})).text == target


def test_the_type_describes_itself() -> None:
    schema = a_provider().schema

    assert schema["type"] == "webhook"
    assert [(field["key"], field["type"], field["required"]) for field in schema["config_fields"]] == [
        ("url", "text", True),
        ("custom_headers", "key_value_map", False),
    ]
    assert schema["credential_fields"] == []
    assert all(schema[name] for name in ("label", "description", "icon", "instructions"))


@pytest.mark.parametrize(("mode", "folder"), [("default", "webhook"), ("standard", "webhook_standard")])
def test_an_operator_replaces_words_but_no_fields(tmp_path: Path, mode: Any, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir()
    override = {
        "label": "Hook",
        "description": "",
        "type": "fax",
        "config_fields": [],
        "instructions": "x",
        "link": "y",
    }
    (place / "metadata.json").write_text(json.dumps(override))
    (place / "instructions.md").write_text("# Grüezi", encoding="utf-8")

    plain, schema = a_provider().schema, a_provider(mode=mode, metadata_path=str(tmp_path)).schema

    assert schema == {**plain, "label": "Hook", "link": "y", "instructions": "# Grüezi"}


def test_files_that_are_not_there_replace_nothing(tmp_path: Path) -> None:
    assert a_provider(metadata_path=str(tmp_path)).schema == a_provider().schema


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_file_that_cannot_be_read_is_passed_over_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "webhook").mkdir()
    (tmp_path / "webhook" / "metadata.json").write_bytes(content)
    (tmp_path / "webhook" / "instructions.md").write_bytes(b"\xff")

    with caplog.at_level(logging.WARNING):
        schema = a_provider(metadata_path=str(tmp_path)).schema

    assert schema == a_provider().schema
    assert [Path(record.__dict__["fields"]["path"]).name for record in caplog.records] == [
        "metadata.json",
        "instructions.md",
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"signature_content_template": "{{.Nope}}"},
        {"signing_secret_template": ""},
        {"topic_header_name": "host"},
        {"header_prefix": "a b"},
    ],
)
def test_settings_that_cannot_work_stop_the_process(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        a_provider(**settings)
