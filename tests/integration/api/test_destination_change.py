"""`PATCH`, `enable` and `disable`: what stays, what is merged, what is replaced."""

from typing import Any

import msgspec
import pytest

from outpost.codec import format_time
from outpost.domain.delivery import DropReason
from outpost.domain.destination import Destination
from outpost.domain.identifiers import DestinationId, TenantId
from tests.support.api import REFUSED, InProcessOutpost, invalid, refused, running_api
from tests.support.http import Answer

PATH = "/tenants/t1/destinations/d1"
PAST = "2020-01-01T00:00:00Z"
ABSENT = object()


async def change(outpost: InProcessOutpost, body: Any = None, **options: Any) -> Answer:
    return await outpost.api("PATCH", PATH, body, **options)


async def changed(outpost: InProcessOutpost, body: Any) -> dict[str, Any]:
    """Change the destination, and show what is stored then."""
    answer = await change(outpost, body)
    assert answer.status == 200, answer.body
    assert answer.json() == (await outpost.api("GET", PATH)).json()
    return answer.json()


@pytest.fixture
async def created(outpost: InProcessOutpost) -> dict[str, Any]:
    """Webhook d1 of tenant t1."""
    await outpost.tenant("t1")
    return await outpost.webhook("d1", filter={"topic": "user.created"}, metadata={"m": "1"})


@pytest.mark.parametrize("raw", [b"{}", b"null", b'{"config":{},"credentials":{},"metadata":{}}'])
async def test_a_change_of_nothing_moves_only_the_date(
    outpost: InProcessOutpost, created: dict[str, Any], raw: bytes
) -> None:
    """Scenario 59."""
    later = format_time(outpost.clock.advance(seconds=1).replace(microsecond=678_000))

    answer = await change(outpost, raw=raw)

    assert (answer.status, answer.json()) == (200, created | {"updated_at": later})


@pytest.mark.parametrize("name", ["metadata", "delivery_metadata"])
async def test_metadata_is_merged(outpost: InProcessOutpost, name: str) -> None:
    """Scenario 60."""
    await outpost.tenant("t1")
    await outpost.webhook("d1")

    for sent, stored in (
        ({"a": "1"}, {"a": "1"}),
        ({"b": 2}, {"a": "1", "b": "2"}),
        ({"a": None}, {"b": "2"}),
        ({}, {"b": "2"}),
        ({"e": ""}, {"b": "2", "e": ""}),
        ({"nope": None}, {"b": "2", "e": ""}),
        ({"b": None, "e": None}, ABSENT),
        ({"c": "3"}, {"c": "3"}),
        (None, ABSENT),
    ):
        assert (await changed(outpost, {name: sent})).get(name, ABSENT) == stored


async def test_config_is_merged(outpost: InProcessOutpost, created: dict[str, Any]) -> None:
    """Scenario 61."""
    url = created["config"]["url"]

    for sent, stored in (({"k": 5}, {"url": url, "k": "5"}), ({"k": None}, {"url": url}), ({}, {"url": url})):
        assert (await changed(outpost, {"config": sent}))["config"] == stored
    for cleared in ({"url": None}, {"url": ""}, None):
        answer = await change(outpost, {"config": cleared})
        assert (answer.status, answer.json()) == (422, invalid("config.url is required"))
    answer = await change(outpost, {"config": {"url": "http:///x"}})
    assert (answer.status, answer.json()) == (
        422,
        invalid("config.url failed pattern validation: the URL names no host"),
    )
    for wrong in ("x", [1], 5, True):
        answer = await change(outpost, {"config": wrong})
        assert (answer.status, answer.json()) == (422, refused(422, "invalid JSON", ["config must be an object"]))
    assert (await outpost.api("GET", PATH)).json()["config"] == {"url": url}


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"filter": {"data": {"x": 1}}}, {"data": {"x": 1}}),
        ({"filter": {}}, ABSENT),
        ({"filter": None}, ABSENT),
        ({}, {"topic": "user.created"}),
    ],
)
@pytest.mark.usefixtures("created")
async def test_a_filter_is_replaced_as_a_whole(outpost: InProcessOutpost, sent: Any, stored: Any) -> None:
    """Scenario 62."""
    assert (await changed(outpost, sent)).get("filter", ABSENT) == stored


@pytest.mark.parametrize("filter_", [[], "x", 5, {"$bogus": 1}])
async def test_a_filter_that_is_none_is_refused(
    outpost: InProcessOutpost, created: dict[str, Any], filter_: Any
) -> None:
    """Scenario 62; fault 18."""
    assert (await change(outpost, {"filter": filter_})).status == 422
    assert (await outpost.api("GET", PATH)).json() == created


async def test_topics_are_replaced_and_never_emptied(outpost: InProcessOutpost, created: dict[str, Any]) -> None:
    """Scenario 63."""
    assert (await changed(outpost, {"topics": None}))["topics"] == created["topics"]
    assert (await changed(outpost, {"topics": ["user.updated", "user.updated"]}))["topics"] == ["user.updated"]
    assert (await changed(outpost, {"topics": "*"}))["topics"] == ["*"]
    for wrong in ([], ["nope"], ["user.*"]):
        answer = await change(outpost, {"topics": wrong})
        assert (answer.status, answer.json()["message"]) == (422, "validation failed: invalid topics")


@pytest.mark.usefixtures("created")
async def test_the_type_stays(outpost: InProcessOutpost) -> None:
    """Scenario 64."""
    other = await change(outpost, {"type": "vault"})

    assert (other.status, other.json()) == (422, refused(422, "type cannot be updated"))
    for same in ("webhook", "", None):
        assert (await change(outpost, {"type": same})).status == 200


@pytest.mark.usefixtures("created")
async def test_a_destination_is_disabled_at_a_time_and_enabled_by_null(outpost: InProcessOutpost) -> None:
    """Scenario 65."""
    assert (await changed(outpost, {"disabled_at": "2020-01-01T01:00:00+01:00"}))["disabled_at"] == PAST
    future = await change(outpost, {"disabled_at": "2099-01-01T00:00:00Z"})
    rubbish = await change(outpost, {"disabled_at": "x"})

    assert (future.status, future.json()) == (422, refused(422, "disabled_at cannot be in the future"))
    sentence = "disabled_at must be an RFC 3339 timestamp, such as 2024-01-15T09:30:00Z"
    assert (rubbish.status, rubbish.json()) == (422, invalid(sentence))
    assert (await changed(outpost, {}))["disabled_at"] == PAST
    assert (await changed(outpost, {"disabled_at": None}))["disabled_at"] is None


async def test_what_cannot_be_changed_is_passed_over(outpost: InProcessOutpost, created: dict[str, Any]) -> None:
    """Scenario 66."""
    sent = {"id": "d2", "tenant_id": "t2", "created_at": PAST, "updated_at": PAST, "target": "x"}

    assert await changed(outpost, sent) == created


@pytest.mark.usefixtures("created")
async def test_a_body_is_read_before_its_destination_is_looked_for(outpost: InProcessOutpost) -> None:
    """Scenario 67."""
    good = await outpost.api("PATCH", "/tenants/t1/destinations/nope", {"topics": "*"})
    bad = await outpost.api("PATCH", "/tenants/t1/destinations/nope", raw=b"{bad")

    assert (good.status, good.json()) == (404, refused(404, "destination not found"))
    assert (bad.status, bad.json()["message"]) == (422, "invalid JSON")


async def test_disabling_and_enabling_can_be_repeated(outpost: InProcessOutpost, created: dict[str, Any]) -> None:
    """Scenario 68; fault 15."""

    async def put(what: str) -> dict[str, Any]:
        answer = await outpost.api("PUT", f"{PATH}/{what}", raw=b"{ignored")
        assert answer.status == 200
        return answer.json()

    first = format_time(outpost.clock.advance(seconds=1).replace(microsecond=678_000))
    assert await put("disable") == created | {"disabled_at": first, "updated_at": first}
    outpost.clock.advance(seconds=1)
    assert await put("disable") == created | {"disabled_at": first, "updated_at": first}
    third = format_time(outpost.clock.advance(seconds=1).replace(microsecond=678_000))
    assert await put("enable") == created | {"updated_at": third}
    outpost.clock.advance(seconds=1)
    assert await put("enable") == created | {"updated_at": third}


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("PUT", "/disable", None, DropReason.DESTINATION_DISABLED),
        ("PATCH", "", {"disabled_at": PAST}, DropReason.DESTINATION_DISABLED),
        ("DELETE", "", None, DropReason.DESTINATION_DELETED),
    ],
)
@pytest.mark.usefixtures("created")
async def test_what_waits_for_a_destination_is_dropped_when_nobody_sends_to_it_any_more(
    outpost: InProcessOutpost, method: str, path: str, body: Any, reason: DropReason
) -> None:
    outpost.receivers.answers["d1"] = REFUSED
    await outpost.publish("e1")

    assert (await outpost.api(method, PATH + path, body)).status == 200

    assert [(task.attempt_number, why) for task, why in outpost.ledger.dropped] == [(2, reason)]


async def test_a_masked_credential_that_comes_back_means_unchanged(outpost: InProcessOutpost) -> None:
    """Scenario 73, with a type that masks; faults 19 and 20."""
    await outpost.tenant("t1")
    vault = {
        "type": "vault",
        "config": {"region": "eu"},
        "credentials": {"key": "AKIAIOSFODNN7EXAMPLE", "more": "12345"},
    }
    shown = (await outpost.webhook("d1", **vault))["credentials"]
    assert shown == {"key": "AKIA****************", "more": "1234*"}

    await changed(outpost, {"credentials": shown})
    await changed(outpost, {"credentials": {"key": "AKIA****************", "new": "abcdef"}})

    stored = await outpost.store.destination(TenantId("t1"), DestinationId("d1"))
    assert stored is not None
    assert stored.credentials == {"key": "AKIAIOSFODNN7EXAMPLE", "more": "12345", "new": "abcdef"}
    removed = await change(outpost, {"credentials": {"key": None}})
    assert (removed.status, removed.json()) == (422, invalid("credentials.key is required"))
    cleared = await change(outpost, {"credentials": None})
    assert (cleared.status, cleared.json()) == (422, invalid("credentials.key is required"))


async def test_a_change_of_topics_alone_does_not_look_at_the_fields(outpost: InProcessOutpost) -> None:
    """Field rules run only when config or credentials change: stored ones may be older than a rule."""
    await outpost.tenant("t1")
    created = await outpost.webhook("d1")

    def broken(destination: Destination) -> Destination:
        return msgspec.structs.replace(destination, config={"url": "gopher://old"})

    await outpost.store.change_destination(TenantId("t1"), DestinationId("d1"), broken)

    assert (await change(outpost, {"topics": "*"})).status == 200
    assert (await change(outpost, {"config": {}})).status == 200
    assert (await change(outpost, {"config": {"k": "v"}})).status == 422
    assert (await change(outpost, {"config": created["config"]})).status == 200


async def test_patterns_are_normalised_on_change() -> None:
    """Scenario 42."""
    async with running_api(wildcards=True) as outpost:
        await outpost.tenant("t1")
        await outpost.webhook("d1")

        assert (await changed(outpost, {"topics": ["user.created", "user.*"]}))["topics"] == ["user.*"]
