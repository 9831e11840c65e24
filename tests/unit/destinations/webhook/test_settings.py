"""Names of headers, decided when the process starts."""

import pytest

from outpost.destinations.webhook.settings import WebhookSettings
from outpost.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (
            WebhookSettings(),
            {
                "event-id": "x-outpost-event-id",
                "topic": "x-outpost-topic",
                "timestamp": "x-outpost-timestamp",
                "signature": "x-outpost-signature",
            },
        ),
        (
            WebhookSettings(header_prefix="  X-Acme- "),
            {
                "event-id": "x-acme-event-id",
                "topic": "x-acme-topic",
                "timestamp": "x-acme-timestamp",
                "signature": "x-acme-signature",
            },
        ),
        (
            WebhookSettings(header_prefix="  "),
            {"event-id": "event-id", "topic": "topic", "timestamp": "timestamp", "signature": "signature"},
        ),
        (
            WebhookSettings(
                event_id_header_name=" X-Id ",
                topic_header_name="",
                timestamp_header_name="  ",
                signature_header_name="Acme_Signature",
            ),
            {"event-id": "x-id", "topic": None, "timestamp": None, "signature": "acme_signature"},
        ),
        (
            WebhookSettings(mode="standard", event_id_header_name="ignored", signature_header_name=""),
            {
                "event-id": "webhook-id",
                "topic": "webhook-topic",
                "timestamp": "webhook-timestamp",
                "signature": "webhook-signature",
            },
        ),
        (
            WebhookSettings(mode="standard", header_prefix="svix-"),
            {
                "event-id": "svix-id",
                "topic": "svix-topic",
                "timestamp": "svix-timestamp",
                "signature": "svix-signature",
            },
        ),
    ],
)
def test_headers_are_named(settings: WebhookSettings, names: dict[str, str | None]) -> None:
    assert settings.header_names() == names


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (WebhookSettings(event_id_header_name="x id"), "DESTINATIONS_WEBHOOK_EVENT_ID_HEADER_NAME: 'x id' is not a"),
        (WebhookSettings(topic_header_name="-x"), "DESTINATIONS_WEBHOOK_TOPIC_HEADER_NAME"),
        (WebhookSettings(timestamp_header_name="é"), "DESTINATIONS_WEBHOOK_TIMESTAMP_HEADER_NAME"),
        (WebhookSettings(signature_header_name="x\n"), None),
        (WebhookSettings(signature_header_name="x\ny"), "DESTINATIONS_WEBHOOK_SIGNATURE_HEADER_NAME"),
        (WebhookSettings(topic_header_name="Content-Type"), "content-type is reserved"),
        (WebhookSettings(topic_header_name="X-A", event_id_header_name="x-a"), "two webhook headers have the name x-a"),
        (WebhookSettings(topic_header_name="x-outpost-event-id"), "two webhook headers"),
        (WebhookSettings(header_prefix="x y-"), "DESTINATIONS_WEBHOOK_HEADER_PREFIX: 'x y-' cannot begin"),
        (WebhookSettings(header_prefix="x:", mode="standard"), "DESTINATIONS_WEBHOOK_HEADER_PREFIX"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(settings: WebhookSettings, says: str | None) -> None:
    if says is None:
        assert settings.header_names()["signature"] == "x"  # blanks around a name do not count
        return
    with pytest.raises(ConfigurationError, match=says):
        settings.header_names()


def test_two_headers_that_are_switched_off_do_not_clash() -> None:
    assert WebhookSettings(topic_header_name="", timestamp_header_name="").header_names()["topic"] is None
