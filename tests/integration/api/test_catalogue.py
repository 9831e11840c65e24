"""What can be published, where to it can be sent, and whether the process is well."""

import pytest

from outpost.codec import parse_time
from tests.support.api import TOPICS, InProcessOutpost, refused, running_api
from tests.support.http import call


async def test_topics_are_listed_in_their_configured_order(outpost: InProcessOutpost) -> None:
    """Scenario 3."""
    answer = await outpost.api("GET", "/topics")

    assert (answer.status, answer.json()) == (200, list(TOPICS))


async def test_without_configured_topics_the_list_is_empty() -> None:
    """Fault 6."""
    async with running_api(topics=()) as outpost:
        assert (await outpost.api("GET", "/topics")).json() == []


async def test_destination_types_are_listed_with_their_fields(outpost: InProcessOutpost) -> None:
    """Scenario 143, for the types that are there."""
    answer = await outpost.api("GET", "/destination-types")

    assert answer.status == 200
    assert [schema["type"] for schema in answer.json()] == ["webhook", "vault"]
    webhook = answer.json()[0]
    assert [field["key"] for field in webhook["config_fields"]] == ["url", "custom_headers"]
    assert all(isinstance(field["required"], bool) for field in webhook["config_fields"])
    assert webhook["credential_fields"] == []
    assert all(webhook[key] for key in ("label", "description", "icon", "instructions"))


async def test_one_destination_type_is_shown_like_in_the_list(outpost: InProcessOutpost) -> None:
    """Scenario 144."""
    one = await outpost.api("GET", "/destination-types/webhook")

    assert one.status == 200
    assert one.json() == (await outpost.api("GET", "/destination-types")).json()[0]


async def test_an_unknown_destination_type_is_404(outpost: InProcessOutpost) -> None:
    """Scenario 144; fault 1."""
    answer = await outpost.api("GET", "/destination-types/nope")

    assert (answer.status, answer.json()) == (404, refused(404, "destination type not found"))


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/healthz"])
async def test_health_tells_of_each_worker(outpost: InProcessOutpost, path: str) -> None:
    """Scenario 12."""
    answer = await call(outpost.port, "GET", path)

    assert answer.status == 200
    body = answer.json()
    assert parse_time(body.pop("timestamp")) == outpost.clock.now
    workers = {"http-server": {"status": "healthy"}, "retrymq-consumer": {"status": "healthy"}}
    assert body == {"status": "healthy", "workers": workers}


async def test_a_failed_worker_makes_the_process_unhealthy_until_it_runs_again() -> None:
    """Scenario 13; fault 40."""
    health = {"http-server": True, "retrymq-consumer": False}
    async with running_api(health=health) as outpost:
        failed = await call(outpost.port, "GET", "/healthz")
        health["retrymq-consumer"] = True
        recovered = await call(outpost.port, "GET", "/healthz")

        assert failed.status == 503
        body = failed.json()
        del body["timestamp"]
        workers = {"http-server": {"status": "healthy"}, "retrymq-consumer": {"status": "failed"}}
        assert body == {"status": "failed", "workers": workers}
        assert recovered.status == 200


async def test_readiness_also_asks_the_stores(outpost: InProcessOutpost) -> None:
    """Fault 40."""
    answer = await call(outpost.port, "GET", "/readyz")

    assert answer.status == 200
    assert answer.json()["stores"] == {
        "log": {"status": "healthy"},
        "migrations": {"status": "healthy"},
        "tenants": {"status": "healthy"},
    }


async def test_stores_that_wait_for_a_migration_are_not_ready(outpost: InProcessOutpost) -> None:
    outpost.migrated = False

    answer = await call(outpost.port, "GET", "/readyz")

    assert answer.status == 503
    assert answer.json()["stores"]["migrations"] == {"status": "failed"}
