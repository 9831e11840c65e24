"""The headers of a webhook: whose value wins, and what never gets through."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outpost.destinations.webhook.headers import HeaderPlan, custom_header_problems
from outpost.destinations.webhook.settings import WebhookSettings
from outpost.domain.errors import ConfigurationError
from tests.support.builders import a_destination, an_event

NOW = datetime(2024, 6, 1, 8, 23, 36, 120000, tzinfo=UTC)


def sent(
    *,
    custom: dict[str, str] | None = None,
    delivery_metadata: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    authorization: str | None = None,
    signature: str | None = "v0=sig",
    **settings: Any,
) -> dict[str, str]:
    """Return the headers of one request, read as a receiver reads them."""
    plan = HeaderPlan(WebhookSettings(user_agent="Outpost/1", **settings))
    config = {"custom_headers": json.dumps(custom)} if custom is not None else {}
    own = plan.own(a_destination(config=config, delivery_metadata=delivery_metadata or {}), authorization)
    event = an_event("evt_1", topic="user.created", metadata=metadata or {})
    head = plan.encode(own, event, signature, NOW).decode()
    assert head.endswith("\r\n")
    lines = [line.split(": ", 1) for line in head.removesuffix("\r\n").split("\r\n")]
    assert len({name for name, _ in lines}) == len(lines)
    return dict(lines)  # type: ignore[arg-type]


DEFAULT = {
    "content-type": "application/json",
    "user-agent": "Outpost/1",
    "x-outpost-event-id": "evt_1",
    "x-outpost-topic": "user.created",
    "x-outpost-timestamp": "2024-06-01T08:23:36Z",
    "x-outpost-signature": "v0=sig",
}
STANDARD = {
    "content-type": "application/json",
    "user-agent": "Outpost/1",
    "webhook-id": "evt_1",
    "webhook-topic": "user.created",
    "webhook-timestamp": "1717230216",
    "webhook-signature": "v0=sig",
}


def test_the_default_mode_sends_these() -> None:
    assert sent() == DEFAULT


def test_the_standard_mode_sends_these() -> None:
    assert sent(mode="standard") == STANDARD


def test_metadata_becomes_headers_and_that_of_the_event_wins() -> None:
    headers = sent(
        custom={"X-Outpost-Env": "custom", "X-Api-Key": "key"},
        delivery_metadata={"Env": "delivery", "team": "growth"},
        metadata={"env": "event", "note": "zoë ☃"},
    )

    assert headers == DEFAULT | {
        "x-api-key": "key",
        "x-outpost-env": "event",
        "x-outpost-team": "growth",
        "x-outpost-note": "zoë ☃",
    }


def test_metadata_may_say_another_id_topic_and_time_in_the_default_mode() -> None:
    headers = sent(delivery_metadata={"topic": "t"}, metadata={"event-id": "mine", "timestamp": "now"})

    assert headers == DEFAULT | {
        "x-outpost-event-id": "mine", "x-outpost-topic": "t", "x-outpost-timestamp": "now",
    }  # fmt: skip


def test_names_that_were_pinned_or_switched_off_are_honoured() -> None:
    headers = sent(
        event_id_header_name="X-Id", topic_header_name="", timestamp_header_name=" ", signature_header_name="X-Sig"
    )

    assert headers == {
        "content-type": "application/json", "user-agent": "Outpost/1", "x-id": "evt_1", "x-sig": "v0=sig",
    }  # fmt: skip


def test_a_plan_without_a_signature_header_does_not_sign() -> None:
    assert not HeaderPlan(WebhookSettings(signature_header_name="")).signs
    assert HeaderPlan(WebhookSettings()).signs
    assert "x-outpost-signature" not in sent(signature=None, signature_header_name="")


def test_milliseconds_are_sent_when_asked_for() -> None:
    assert sent(include_millisecond_timestamp=True)["x-outpost-timestamp-ms"] == "2024-06-01T08:23:36.12Z"
    assert sent(include_millisecond_timestamp=True, metadata={"timestamp-ms": "x"})["x-outpost-timestamp-ms"] == "x"


def test_standard_mode_sends_metadata_with_its_prefix_and_that_of_the_event_without() -> None:
    headers = sent(mode="standard", delivery_metadata={"team": "growth"}, metadata={"Source": "api"})

    assert headers == STANDARD | {"webhook-team": "growth", "webhook-source": "api", "source": "api"}


@pytest.mark.parametrize(
    "name",
    [
        "id",
        "timestamp",
        "signature",
        "webhook-id",
        "webhook-timestamp",
        "Webhook-Signature",
        "Content-Type",
        "event-id",
    ],
)
def test_metadata_never_replaces_what_a_standard_receiver_relies_on(name: str) -> None:
    headers = sent(mode="standard", delivery_metadata={name: "evil"}, metadata={name: "evil"})

    assert {key: headers[key] for key in STANDARD} == STANDARD


@pytest.mark.parametrize("mode", ["default", "standard"])
@pytest.mark.parametrize(
    "name",
    [
        "Host", "Content-Length", "Content-Type", "Connection", "User-Agent", "Transfer-Encoding", "Trailer", "TE",
        "Upgrade", "Expect", "Keep-Alive", "Proxy-Connection",
    ],
)  # fmt: skip
def test_nobody_sets_what_frames_the_request(name: str, mode: Any) -> None:
    headers = sent(
        mode=mode, header_prefix=" ", custom={name: "evil"}, delivery_metadata={name: "evil"}, metadata={name: "evil"}
    )

    assert "evil" not in headers.values()


def test_a_signature_cannot_be_replaced_by_metadata() -> None:
    assert sent(metadata={"signature": "evil"}, custom={"x-outpost-signature": "evil"}) == DEFAULT


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\x00b", "a\x7fb", "a\r\n\r\nbody"])
def test_a_value_cannot_begin_a_line_of_its_own(value: str) -> None:
    headers = sent(metadata={"note": value}, delivery_metadata={"other": value}, custom={"x-mine": value})

    assert set(headers) == set(DEFAULT) | {"x-outpost-note", "x-outpost-other", "x-mine"}
    assert headers["x-outpost-note"].isprintable()


@pytest.mark.parametrize("key", ["a b", "a:b", "é", "a\r\nb", "a\x00"])
def test_a_key_that_is_no_header_name_is_left_out(key: str) -> None:
    assert sent(metadata={key: "x", "fine": "y"}) == DEFAULT | {"x-outpost-fine": "y"}


def test_half_a_character_does_not_stop_a_delivery() -> None:
    assert sent(metadata={"note": "\ud800"})["x-outpost-note"] == "?"


def test_user_and_password_of_the_url_are_sent_unless_the_destination_has_its_own() -> None:
    assert sent(authorization="Basic eA==")["authorization"] == "Basic eA=="
    assert sent(authorization="Basic eA==", custom={"Authorization": "Bearer y"})["authorization"] == "Bearer y"


def test_names_that_clash_stop_the_process() -> None:
    with pytest.raises(ConfigurationError):
        HeaderPlan(WebhookSettings(topic_header_name="a", event_id_header_name="A"))


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", []),
        ("{}", []),
        ('{"X-Api-Key":"k","a_b":"c"}', []),
        ("[]", ["config.custom_headers failed invalid validation"]),
        ('{"a":1}', ["config.custom_headers failed invalid validation"]),
        ("{", ["config.custom_headers failed invalid validation"]),
        ("[" * 100_000, ["config.custom_headers failed invalid validation"]),
        (
            '{"a b":"c","-x":"c","x\\n":"c"}',
            [
                "config.custom_headers.a b failed pattern validation",
                "config.custom_headers.-x failed pattern validation",
                "config.custom_headers.x\n failed pattern validation",
            ],
        ),
        (
            '{"Content-Type":"a","content-length":"a","HOST":"a","Connection":"a","User-Agent":"a"}',
            [
                "config.custom_headers.content-type is forbidden",
                "config.custom_headers.content-length is forbidden",
                "config.custom_headers.host is forbidden",
                "config.custom_headers.connection is forbidden",
                "config.custom_headers.user-agent is forbidden",
            ],
        ),
        ('{"X-Empty":""}', ["config.custom_headers.x-empty is required"]),
    ],
)
def test_custom_headers_keep_their_rules(text: str, problems: list[str]) -> None:
    assert custom_header_problems({"custom_headers": text}) == problems


@pytest.mark.parametrize(
    "delivery_metadata", [{}, {"x-team": "billing"}, {"Team": "ü"}, {"topic": "mine"}, {"a": "b\r\nc: d"}, {"a b": "c"}]
)
@pytest.mark.parametrize("topic", ["user.created", "", "a\r\nb: c", "ü"])
@pytest.mark.parametrize("settings", [{}, {"header_prefix": ""}, {"topic_header_name": ""}, {"mode": "standard"}])
def test_the_short_way_and_the_long_way_send_the_same(
    settings: dict[str, Any], topic: str, delivery_metadata: dict[str, str]
) -> None:
    """Where nothing varies but the event, lines are prepared ahead; one metadata entry more takes the long way."""
    plan = HeaderPlan(WebhookSettings(user_agent="Outpost/1", **settings))
    own = plan.own(a_destination(config={}, delivery_metadata=delivery_metadata), None)
    event = an_event("evt_1", topic=topic)

    assert sorted(plan.encode(own, event, "v0=sig", NOW).split(b"\r\n")) == sorted(
        plan._encode_slowly(own, event, "v0=sig", NOW).split(b"\r\n")
    )


def test_each_second_is_told_as_it_is() -> None:
    plan = HeaderPlan(WebhookSettings(user_agent="Outpost/1"))
    own = plan.own(a_destination(), None)

    def told(seconds: float) -> str:
        head = plan.encode(own, an_event("evt_1", metadata={}), None, NOW + timedelta(seconds=seconds)).decode()
        return next(line for line in head.split("\r\n") if line.startswith("x-outpost-timestamp"))[-9:]

    assert [told(seconds) for seconds in (0, 0.8, 0.88, 2, 1, 0)] == [
        "08:23:36Z",
        "08:23:36Z",
        "08:23:37Z",
        "08:23:38Z",
        "08:23:37Z",
        "08:23:36Z",
    ]
