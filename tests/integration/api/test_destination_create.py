"""`POST /tenants/{tenant_id}/destinations`."""

import asyncio
import re
from typing import Any

import pytest

from outpost.codec import format_time
from outpost.destinations.webhook.settings import WebhookSettings
from tests.support.api import InProcessOutpost, a_webhook, invalid, refused, running_api
from tests.support.builders import START, START_MILLISECOND
from tests.support.http import Answer

PATH = "/tenants/t1/destinations"
NOW = format_time(START_MILLISECOND)
FUTURE = "2099-01-01T00:00:00Z"
PAST = "2020-01-01T00:00:00Z"


async def create(outpost: InProcessOutpost, body: Any = None, **options: Any) -> Answer:
    return await outpost.api("POST", PATH, body, **options)


async def test_a_webhook_is_created_with_all_that_it_needs(outpost: InProcessOutpost) -> None:
    """Scenario 36."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook())

    assert answer.status == 201
    body = answer.json()
    assert re.fullmatch("des_[0-9a-f-]{36}", body.pop("id"))
    assert re.fullmatch("whsec_[0-9a-f]{64}", body.pop("credentials").pop("secret"))
    assert body == {
        "tenant_id": "t1",
        "type": "webhook",
        "topics": ["user.created"],
        "config": {"url": "https://example.com/hook"},
        "created_at": NOW,
        "updated_at": NOW,
        "disabled_at": None,
        "target": "https://example.com/hook",
    }


async def test_what_was_created_is_what_is_read(outpost: InProcessOutpost) -> None:
    """Fault 14."""
    await outpost.tenant("t1")
    wanted = a_webhook(
        id="d1",
        topics=["user.updated", "user.created"],
        filter={"data": {"n": {"$gte": 1.5}}},
        delivery_metadata={"x-env": "prod"},
        metadata={"team": "growth"},
    )

    created = (await create(outpost, wanted)).json()

    assert created == (await outpost.api("GET", f"{PATH}/d1")).json()
    assert created == (await outpost.api("GET", PATH)).json()[0]
    assert {name: created[name] for name in wanted} == wanted
    assert list(created)[:5] == ["id", "tenant_id", "type", "topics", "filter"]


async def test_a_star_as_text_means_every_topic(outpost: InProcessOutpost) -> None:
    """Scenario 37."""
    await outpost.tenant("t1")

    assert (await create(outpost, a_webhook(topics="*"))).json()["topics"] == ["*"]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, invalid("type is required", "topics is required")),
        ({"type": "webhook"}, invalid("topics is required")),
        ({"type": "webhook", "topics": None}, invalid("topics is required")),
        ({"topics": "*"}, invalid("type is required")),
        ({"type": "", "topics": "*"}, invalid("type is required")),
        ({"type": 5, "topics": "*"}, refused(422, "invalid JSON", ["type must be a string"])),
        ({"type": "webhook", "topics": "*", "id": 5}, refused(422, "invalid JSON", ["id must be a string"])),
        ({"type": "webhook", "topics": "*", "config": []}, refused(422, "invalid JSON", ["config must be an object"])),
        (
            {"type": "webhook", "topics": "*", "filter": "x", "credentials": 1},
            refused(422, "invalid JSON", ["filter must be an object", "credentials must be an object"]),
        ),
    ],
)
async def test_what_is_required_must_be_there(outpost: InProcessOutpost, body: Any, refusal: dict[str, Any]) -> None:
    """Scenario 38; fault 13."""
    await outpost.tenant("t1")

    answer = await create(outpost, body)

    assert (answer.status, answer.json()) == (422, refusal)


@pytest.mark.parametrize("topics", [[], ["nope"], ["*", "user.created"], ["user.*"], [""], ["a,b"], ["User.created"]])
async def test_topics_must_be_configured_ones(outpost: InProcessOutpost, topics: list[str]) -> None:
    """Scenario 39; fault 37."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(topics=topics))

    assert (answer.status, answer.json()["message"]) == (422, "validation failed: invalid topics")
    assert len(answer.json()["data"]) == 1


@pytest.mark.parametrize("topics", ["user.created", {}, [1], [["user.created"]], 5, True, [None]])
async def test_topics_must_be_a_list_of_names_or_a_star(outpost: InProcessOutpost, topics: Any) -> None:
    """Scenario 39; fault 37."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(topics=topics))

    data = ['topics must be "*" or a list of topic names']
    assert (answer.status, answer.json()) == (422, refused(422, "validation failed: invalid topics format", data))


@pytest.mark.parametrize(
    ("topics", "status"), [(["user.*"], 201), (["*.created"], 201), (["nope.*"], 422), (["USER.*"], 422)]
)
async def test_with_wildcards_a_pattern_must_cover_a_topic(topics: list[str], status: int) -> None:
    """Scenario 40."""
    async with running_api(wildcards=True) as outpost:
        await outpost.tenant("t1")

        assert (await create(outpost, a_webhook(topics=topics))).status == status


@pytest.mark.parametrize(
    ("wildcards", "topics", "status"),
    [
        (False, ["any.thing"], 201),
        (False, ["a.*"], 422),
        (True, ["a.*"], 201),
        (False, [], 422),
        (True, [], 422),
        (False, [""], 422),
        (False, ["a,b"], 422),
        (False, ["a\tb"], 422),
    ],
)
async def test_without_configured_topics_any_name_will_do(wildcards: bool, topics: list[str], status: int) -> None:
    """Scenario 41; fault 17."""
    async with running_api(topics=(), wildcards=wildcards) as outpost:
        await outpost.tenant("t1")

        assert (await create(outpost, a_webhook(topics=topics))).status == status


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (["user.created", "user.created", "user.updated"], ["user.created", "user.updated"]),
        (["user.*", "user.created"], ["user.*"]),
        (["u*", "user.*", "us*"], ["u*"]),
        (["*.created", "user.*"], ["*.created", "user.*"]),
    ],
)
async def test_topics_that_others_cover_are_dropped(sent: list[str], stored: list[str]) -> None:
    """Scenario 42."""
    async with running_api(wildcards=True) as outpost:
        await outpost.tenant("t1")

        assert (await create(outpost, a_webhook(topics=sent))).json()["topics"] == stored


async def test_an_unknown_type_is_refused_after_bad_topics(outpost: InProcessOutpost) -> None:
    """Scenario 43."""
    await outpost.tenant("t1")

    unknown = await create(outpost, {"type": "nope", "topics": ["user.created"]})
    topics_first = await create(outpost, {"type": "nope", "topics": ["nope"]})

    message = "no provider registered for destination type: nope"
    assert (unknown.status, unknown.json()) == (422, refused(422, message))
    assert topics_first.json()["message"] == "validation failed: invalid topics"


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (None, "config.url is required"),
        ({}, "config.url is required"),
        ({"url": ""}, "config.url is required"),
        ({"url": None}, "config.url is required"),
        ({"url": "ftp://x"}, "config.url failed pattern validation"),
        ({"url": "https://a b"}, "config.url failed pattern validation"),
        ({"url": 5}, "config.url failed pattern validation"),
        (
            {"url": "http://a:99999"},
            "config.url failed pattern validation: the port in the URL must be a whole number from 1 to 65535",
        ),
    ],
)
async def test_the_fields_of_the_type_are_checked(outpost: InProcessOutpost, config: Any, sentence: str) -> None:
    """Scenario 44."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(config=config))

    assert (answer.status, answer.json()) == (422, invalid(sentence))


async def test_all_faulty_fields_are_told_at_once(outpost: InProcessOutpost) -> None:
    """Scenario 45, with a type that has such fields."""
    await outpost.tenant("t1")

    answer = await create(outpost, {"type": "vault", "topics": "*", "config": {"region": "moon"}})

    assert answer.json() == invalid("config.region failed pattern validation", "credentials.key is required")


async def test_an_id_can_be_chosen_once_in_each_tenant(outpost: InProcessOutpost) -> None:
    """Scenario 46; fault 38."""
    await outpost.tenant("t1")
    await outpost.tenant("t2")
    await outpost.webhook("d1", metadata={"a": "1"})

    again = await create(outpost, a_webhook(id="d1"))
    elsewhere = await outpost.api("POST", "/tenants/t2/destinations", a_webhook(id="d1"))
    await outpost.api("DELETE", f"{PATH}/d1")
    reused = await create(outpost, a_webhook(id="d1"))

    assert (again.status, again.json()) == (400, refused(400, "destination already exists"))
    assert (elsewhere.status, elsewhere.json()["id"]) == (201, "d1")
    assert reused.status == 201
    assert "metadata" not in reused.json()


@pytest.mark.parametrize("id_", ["a/b", "/", "a\nb", "\x7f", "x" * 256, ".", ".."])
async def test_an_id_that_could_not_be_used_in_a_path_is_refused(outpost: InProcessOutpost, id_: str) -> None:
    """Fault 17."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(id=id_))

    sentence = "id must have 1 to 255 characters, none of them a slash or a control character, and must not be . or .."
    assert (answer.status, answer.json()) == (422, invalid(sentence))


@pytest.mark.parametrize("id_", [None, ""])
async def test_an_id_that_is_empty_is_chosen_for_the_caller(outpost: InProcessOutpost, id_: str | None) -> None:
    await outpost.tenant("t1")

    assert (await create(outpost, a_webhook(id=id_))).json()["id"].startswith("des_")


async def test_a_tenant_has_as_many_destinations_as_it_may(outpost: InProcessOutpost) -> None:
    """Scenario 47; fault 38."""
    await outpost.tenant("t1")
    for number in range(20):
        await outpost.webhook(f"d{number}", disabled_at=PAST if number % 2 else None)

    answer = await create(outpost, a_webhook())

    assert answer.status == 400
    assert answer.json() == refused(400, "maximum number of destinations per tenant reached")
    assert len((await outpost.api("GET", PATH)).json()) == 20


async def test_the_limit_holds_when_many_are_created_at_once() -> None:
    """Fault 30."""
    async with running_api(destination_limit=3) as outpost:
        await outpost.tenant("t1")

        answers = await asyncio.gather(*(create(outpost, a_webhook()) for _ in range(12)))

        assert sorted(answer.status for answer in answers) == [201] * 3 + [400] * 9


async def test_the_operator_can_bring_times_along(outpost: InProcessOutpost) -> None:
    """Scenario 48; fault 14."""
    await outpost.tenant("t1")

    one = await create(outpost, a_webhook(id="d1", created_at="2024-01-02T03:04:05.123456789+02:00"))
    two = await create(
        outpost, a_webhook(id="d2", created_at=PAST, updated_at="2021-01-01T00:00:00Z", disabled_at=PAST)
    )

    assert one.json()["created_at"] == one.json()["updated_at"] == "2024-01-02T01:04:05.123Z"
    assert (await outpost.api("GET", f"{PATH}/d1")).json() == one.json()
    assert [two.json()[name] for name in ("created_at", "updated_at", "disabled_at")] == [
        PAST,
        "2021-01-01T00:00:00Z",
        PAST,
    ]


async def test_the_present_instant_is_not_to_come_however_finely_it_is_told(outpost: InProcessOutpost) -> None:
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(created_at=format_time(START), disabled_at=format_time(START)))

    assert (answer.status, answer.json()["disabled_at"]) == (201, NOW)


@pytest.mark.parametrize("field", ["created_at", "updated_at", "disabled_at"])
async def test_times_to_come_are_refused(outpost: InProcessOutpost, field: str) -> None:
    """Scenario 49."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(**{field: FUTURE}))

    assert (answer.status, answer.json()) == (422, refused(422, f"{field} cannot be in the future"))


async def test_a_tenant_cannot_bring_times_along_but_may_start_disabled(outpost: InProcessOutpost) -> None:
    """Scenario 49."""
    token = await outpost.tenant("t1")

    for field in ("created_at", "updated_at"):
        for value in (PAST, FUTURE):
            answer = await create(outpost, a_webhook(**{field: value}), token=token)
            message = "created_at and updated_at can only be set with API key authentication"
            assert (answer.status, answer.json()) == (403, refused(403, message))
    disabled = await create(outpost, a_webhook(disabled_at=PAST), token=token)

    assert (disabled.status, disabled.json()["disabled_at"]) == (201, PAST)
    assert len((await outpost.api("GET", PATH)).json()) == 1


@pytest.mark.parametrize(
    "time", ["2024-01-01", 5, "", "2024-01-01T00:00:00", "2024-02-30T00:00:00Z", "0000-01-01T00:00:00Z", {}, True]
)
@pytest.mark.parametrize("field", ["created_at", "updated_at", "disabled_at"])
async def test_a_time_must_be_rfc_3339(outpost: InProcessOutpost, field: str, time: Any) -> None:
    """Scenario 50; fault 13."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(**{field: time}))

    sentence = f"{field} must be an RFC 3339 timestamp, such as 2024-01-15T09:30:00Z"
    assert (answer.status, answer.json()) == (422, invalid(sentence))


async def test_values_of_maps_become_texts(outpost: InProcessOutpost) -> None:
    """Scenario 51; fault 12."""
    await outpost.tenant("t1")
    raw = (
        b'{"type":"webhook","topics":"*","metadata":{"n":1234567890123,"t":true,"z":null},"delivery_metadata":{"f":1.50},'
        b'"config":{"url":"https://x","custom_headers":{"X-B":"2","X-A":"1"},"extra":7}}'
    )

    created = (await create(outpost, raw=raw)).json()

    assert created["metadata"] == {"n": "1234567890123", "t": "true", "z": ""}
    assert created["delivery_metadata"] == {"f": "1.50"}
    assert created["config"] == {"url": "https://x", "custom_headers": '{"X-A":"1","X-B":"2"}', "extra": "7"}


@pytest.mark.parametrize(
    ("headers", "sentences"),
    [
        ({"Host": "x"}, ["config.custom_headers.host is forbidden"]),
        ({"bad name": "y"}, ["config.custom_headers.bad name failed pattern validation"]),
        ({"x-ok": ""}, ["config.custom_headers.x-ok is required"]),
        ('{"x-b":"","x-a":""}', ["config.custom_headers.x-b is required", "config.custom_headers.x-a is required"]),
        ("notjson", ["config.custom_headers failed invalid validation"]),
    ],
)
async def test_custom_headers_are_checked_in_their_order(
    outpost: InProcessOutpost, headers: Any, sentences: list[str]
) -> None:
    """Scenario 52; fault 31."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(config={"url": "https://x", "custom_headers": headers}))

    assert (answer.status, answer.json()) == (422, invalid(*sentences))


async def test_a_tenant_does_not_choose_the_secret(outpost: InProcessOutpost) -> None:
    """Scenario 53."""
    token = await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(credentials={"secret": "mine"}), token=token)
    without = await create(outpost, a_webhook(), token=token)

    assert (answer.status, answer.json()) == (422, invalid("credentials.secret is forbidden"))
    assert without.status == 201
    assert without.json()["credentials"]["secret"].startswith("whsec_")


async def test_the_operator_chooses_the_secret_and_only_that_is_kept(outpost: InProcessOutpost) -> None:
    """Scenario 54."""
    await outpost.tenant("t1")

    created = await create(
        outpost,
        a_webhook(credentials={"secret": "mine", "extra": "x"}, config={"url": "https://x", "extra": "kept"}),
    )

    assert created.json()["credentials"] == {"secret": "mine"}
    assert created.json()["config"] == {"url": "https://x", "extra": "kept"}


async def test_nothing_can_be_rotated_before_it_exists(outpost: InProcessOutpost) -> None:
    """Scenario 55."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(credentials={"rotate_secret": True}))

    assert (answer.status, answer.json()) == (422, invalid("credentials.rotate_secret failed invalid validation"))


async def test_a_previous_secret_needs_its_date_on_creation(outpost: InProcessOutpost) -> None:
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(credentials={"secret": "s1", "previous_secret": "s0"}))

    sentence = "credentials.previous_secret_invalid_at is required"
    assert (answer.status, answer.json()) == (422, invalid(sentence))


async def test_standard_webhooks_want_secrets_of_their_own_form() -> None:
    """Scenario 75."""
    async with running_api(webhook=WebhookSettings(mode="standard")) as outpost:
        await outpost.tenant("t1")

        created = await create(outpost, a_webhook())
        plain = await create(outpost, a_webhook(credentials={"secret": "plain"}))

        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", created.json()["credentials"]["secret"])
        assert (plain.status, plain.json()) == (422, invalid("credentials.secret failed pattern validation"))


@pytest.mark.parametrize("filter_", [None, {}])
async def test_an_empty_filter_is_none(outpost: InProcessOutpost, filter_: Any) -> None:
    await outpost.tenant("t1")

    created = await create(outpost, a_webhook(filter=filter_))

    assert created.status == 201
    assert "filter" not in created.json()


@pytest.mark.parametrize(
    "filter_", [{"$bogus": 1}, {"data": {"a": {"$gt": [1]}}}, {"$or": 5}, {"data": {"a": {"$exist": "x"}}}]
)
async def test_a_filter_that_could_never_match_is_refused(outpost: InProcessOutpost, filter_: Any) -> None:
    """Fault 18."""
    await outpost.tenant("t1")

    answer = await create(outpost, a_webhook(filter=filter_))

    assert (answer.status, answer.json()["message"]) == (422, "validation error")
    assert answer.json()["data"]


async def test_the_password_in_an_address_is_not_shown_as_target(outpost: InProcessOutpost) -> None:
    await outpost.tenant("t1")

    created = await create(outpost, a_webhook(config={"url": "https://user:pass@x/"}))

    assert created.json()["target"] == "https://user:****@x/"


async def test_a_type_with_a_page_about_its_target_links_to_it(outpost: InProcessOutpost) -> None:
    await outpost.tenant("t1")
    wanted = {"type": "vault", "topics": "*", "config": {"region": "eu"}, "credentials": {"key": "abcdefgh"}}

    created = (await create(outpost, wanted)).json()

    assert (created["target"], created["target_url"]) == ("eu", "https://vault.example/")
    assert created["config"] == {"mode": "plain", "region": "eu"}
    assert created["credentials"] == {"key": "abcd****"}
