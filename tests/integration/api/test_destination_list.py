"""Destinations: list, get, delete."""

import pytest

from tests.support.api import InProcessOutpost, refused, running_api

PATH = "/tenants/t1/destinations"
VAULT = {"type": "vault", "config": {"region": "eu"}, "credentials": {"key": "k"}}


async def ids(outpost: InProcessOutpost, query: str) -> list[str]:
    answer = await outpost.api("GET", f"{PATH}?{query}")
    assert answer.status == 200, answer.body
    return [destination["id"] for destination in answer.json()]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["w2", "w1", "v1"]),
        ("type=webhook", ["w2", "w1"]),
        ("type=webhook&type=vault", ["w2", "w1", "v1"]),
        ("type[]=vault", ["v1"]),
        ("type%5B0%5D=vault&type[]=webhook", ["v1"]),
        ("type=nope", []),
        ("type=webhook,vault", []),
        ("type=", []),
        ("limit=1", ["w2", "w1", "v1"]),
    ],
)
async def test_destinations_are_listed_in_order_of_creation_and_by_type(
    outpost: InProcessOutpost, query: str, found: list[str]
) -> None:
    """Scenario 56."""
    await outpost.tenant("t1")
    await outpost.tenant("t2")
    await outpost.webhook("w1", created_at="2021-01-01T00:00:00Z")
    await outpost.webhook("w2", created_at="2020-01-01T00:00:00Z")
    await outpost.webhook("v1", **VAULT)
    await outpost.webhook("other", "t2")

    assert await ids(outpost, query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("topics=user.created", ["all", "created", "both", "pattern"]),
        ("topics=user.created&topics=user.updated", ["all", "both", "pattern"]),
        ("topics[]=user.created&topics[]=user.updated", ["all", "both", "pattern"]),
        ("topics=*", ["all"]),
        ("topics=*&topics=user.created", ["all", "created", "both", "pattern"]),
        ("topics=", ["all", "created", "both", "pattern"]),
        ("topics=nope", ["all"]),
        ("topics=user.created&type=vault", []),
    ],
)
async def test_destinations_are_listed_by_the_topics_they_cover(query: str, found: list[str]) -> None:
    """Scenario 57."""
    async with running_api(wildcards=True) as outpost:
        await outpost.tenant("t1")
        for name, topics in (
            ("all", ["*"]),
            ("created", ["user.created"]),
            ("both", ["user.created", "user.updated"]),
            ("pattern", ["user.*"]),
        ):
            outpost.clock.advance(seconds=1)
            await outpost.webhook(name, topics=topics)

        assert await ids(outpost, query) == found


async def test_a_tenant_without_destinations_has_an_empty_list(outpost: InProcessOutpost) -> None:
    await outpost.tenant("t1")

    assert await ids(outpost, "") == []


@pytest.mark.parametrize("id_", ["nope", "deleted", "foreign"])
async def test_a_destination_that_is_not_there_is_404(outpost: InProcessOutpost, id_: str) -> None:
    """Scenario 58; fault 1."""
    await outpost.tenant("t1")
    await outpost.tenant("t2")
    await outpost.webhook("foreign", "t2")
    await outpost.webhook("deleted")
    await outpost.api("DELETE", f"{PATH}/deleted")

    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("PUT", "/enable"),
        ("PUT", "/disable"),
    ):
        answer = await outpost.api(method, f"{PATH}/{id_}{path}", {})
        assert (answer.status, answer.json()) == (404, refused(404, "destination not found"))


async def test_a_destination_is_deleted_once(outpost: InProcessOutpost) -> None:
    """Scenario 77."""
    await outpost.tenant("t1")
    await outpost.webhook("d1")
    await outpost.webhook("d2")

    first = await outpost.api("DELETE", f"{PATH}/d1")
    second = await outpost.api("DELETE", f"{PATH}/d1")

    assert (first.status, first.json()) == (200, {"success": True})
    assert second.status == 404
    assert (await outpost.api("GET", "/tenants/t1")).json()["destinations_count"] == 1
    assert await ids(outpost, "") == ["d2"]


async def test_an_id_with_strange_characters_is_found_again(outpost: InProcessOutpost) -> None:
    await outpost.tenant("t1")
    await outpost.webhook("ü ?#%&+:")

    answer = await outpost.api("GET", f"{PATH}/%C3%BC%20%3F%23%25%26%2B%3A")

    assert (answer.status, answer.json()["id"]) == (200, "ü ?#%&+:")
