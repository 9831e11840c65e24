"""Signatures, held against vectors computed elsewhere and against the Standard Webhooks library."""

from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from outpost.destinations.webhook.settings import WebhookSettings
from outpost.destinations.webhook.signature import signer, standard_key
from outpost.domain.errors import ConfigurationError

AT = datetime(2024, 6, 1, 8, 23, 36, tzinfo=UTC)
BODY = b'{"user_id":"usr_123","email":"user@example.com"}'
S1 = "whsec_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
S2 = "whsec_fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
W1 = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
W2 = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="


def signature(*secrets: str, body: bytes = BODY, at: datetime = AT, **settings: Any) -> str:
    signing = signer(WebhookSettings(**settings))
    keys = [signing.key(secret) for secret in secrets]
    return signing.sign(keys, event_id="evt_abc123", topic="user.created", at=at, body=body)


def vector(name: str, secrets: list[str], expected: str, **settings: Any) -> Any:
    return pytest.param(secrets, settings, expected, id=name)


@pytest.mark.parametrize(
    ("secrets", "settings", "expected"),
    [
        vector("A1", [S1], "v0=e74e883e23d6bb51230afad1ac71de036796d6fa24bec47a904072b12a1afe5b"),
        vector(
            "A2",
            [S1, S2],
            "v0=e74e883e23d6bb51230afad1ac71de036796d6fa24bec47a904072b12a1afe5b,"
            "ac105d85747c8c9180783c5466e0ef17179829d7bff63996a418196961d58021",
        ),
        vector(
            "B1",
            [S1],
            "t=1717230216,v0=0be83b1cb4ff22f26428bddf1f1c1f010dfab1575cb78ca7842feff6f5dfdc11",
            signature_content_template="{{.Timestamp.Unix}}.{{.Body}}",
            signature_header_template='t={{.Timestamp.Unix}},v0={{.Signatures | join ","}}',
        ),
        vector("B2", [S1], "v0=506IPiPWu1EjCvrRrHHeA2eW1vokvsR6kEBysSoa/ls=", signature_encoding="base64"),
        vector("B3", [S1], "v0=d4f36f0fb70d9377c1c65e06efcac892ad1fb8de", signature_algorithm="hmac-sha1"),
        vector(
            "B4",
            [S1],
            "v0=92e1f16daca2b66ef09101f0fca774df5a828efa8f23fc7188c88ebdb7b2f317",
            signature_content_template="{{.EventID}}.{{.Topic}}.{{.Timestamp.Unix}}.{{.Body}}",
        ),
        vector("B5", [""], "v0=6cb43a298ca83a5b48121d46b9455c2bf8a630055ded082e8f224db83ba2677a"),
        vector("C1", [W1], "v1,7gIDxazfFYSFCkj0eUyhRdFuC03amm0/d1jVTxKnjrs=", mode="standard"),
        vector(
            "C2",
            [W1, W2],
            "v1,7gIDxazfFYSFCkj0eUyhRdFuC03amm0/d1jVTxKnjrs= v1,sgo5Z2hKmQ833a07oKXOrHTIqVHAQ36RqbIy6TOi3yQ=",
            mode="standard",
        ),
    ],
)
def test_vector(secrets: list[str], settings: dict[str, Any], expected: str) -> None:
    assert signature(*secrets, **settings) == expected


def test_vector_a4_the_body_is_signed_as_the_bytes_it_is() -> None:
    body = '{"name":"Zoë ☃","note":"a<b>&c",  "n":1.0}'.encode()
    expected = "v0=bcdf908a73bdc7459a11158bfe72d6936477b100fc60ba493d45a327b29cb97c"

    assert len(body) == 45
    assert signature(S1, body=body) == expected
    assert signature(S1, body=body, signature_content_template="{{ .Body }}") == expected


@pytest.mark.parametrize("body", [BODY, b"", "é☃".encode()])
def test_the_standard_webhooks_library_agrees(body: bytes) -> None:
    assert signature(W1, body=body, mode="standard") == Webhook(W1).sign("evt_abc123", AT, body.decode())


def test_the_standard_webhooks_library_accepts_either_secret_during_a_rotation() -> None:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_abc123",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature(W2, W1, at=now, mode="standard"),
    }

    for secret in (W1, W2):
        assert Webhook(secret).verify(BODY, headers)["user_id"] == "usr_123"


def test_in_standard_mode_the_settings_of_the_other_mode_do_not_apply() -> None:
    odd: dict[str, Any] = {
        "signature_content_template": "{{",
        "signature_encoding": "hex",
        "signature_algorithm": "hmac-sha1",
    }

    assert signature(W1, mode="standard", **odd) == signature(W1, mode="standard")


@pytest.mark.parametrize("secret", ["", "whsec_", S1[6:], "whsec_***", "whsec_AAE", "whsec_AA E=", "whsec_AAE=\n"])
def test_a_secret_without_a_key_in_it_is_none_in_standard_mode(secret: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are of no use to anyone
        standard_key(secret)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"signature_content_template": ""}, "SIGNATURE_CONTENT_TEMPLATE must not be empty"),
        ({"signature_header_template": " \n"}, "SIGNATURE_HEADER_TEMPLATE must not be empty"),
        (
            {"signature_content_template": "{{.Signatures}}"},
            "SIGNATURE_CONTENT_TEMPLATE: there is no field .Signatures",
        ),
        ({"signature_header_template": "{{.Body}}"}, "SIGNATURE_HEADER_TEMPLATE: there is no field .Body"),
        ({"signature_content_template": "{{if .Topic}}"}, "SIGNATURE_CONTENT_TEMPLATE: {{if}} has no {{end}}"),
        ({"signature_content_template": "{{now}}"}, "SIGNATURE_CONTENT_TEMPLATE: there is no function now"),
        ({"signature_content_template": "{{.Timestamp}}.{{.Body}}"}, "cannot be rendered: a time must be shown with"),
        ({"signature_header_template": "{{index .Signatures 2}}"}, "cannot be rendered: index: there is no position 2"),
    ],
)
def test_a_template_that_cannot_work_is_refused_at_the_start(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        signer(WebhookSettings(**settings))

    assert says in str(refused.value)
