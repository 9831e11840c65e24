"""`/events` and `/attempts`: what is shown, and of whom."""

from typing import Any

import pytest

from tests.support.api import REFUSED, InProcessOutpost, refused
from tests.support.http import Answer

ATTEMPT = {
    "id": "atm_000001",
    "tenant_id": "t1",
    "status": "success",
    "time": "2026-01-02T03:04:05.678901Z",
    "code": "200",
    "attempt_number": 1,
    "manual": False,
    "destination_type": "webhook",
    "event_id": "e1",
    "destination_id": "w1",
}
EVENT = {
    "id": "e1",
    "tenant_id": "t1",
    "matched_destination_ids": ["w1"],
    "topic": "user.created",
    "time": "2026-01-02T03:04:05.678901Z",
    "eligible_for_retry": True,
}


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [model["id"] for model in answer.json()["models"]]


@pytest.fixture
async def delivered(outpost: InProcessOutpost) -> InProcessOutpost:
    """Event e1 of tenant t1, delivered to the webhook w1."""
    await outpost.tenant("t1")
    await outpost.webhook("w1")
    await outpost.publish("e1")
    return outpost


@pytest.fixture
async def many(outpost: InProcessOutpost) -> InProcessOutpost:
    """A second between e1 (t1: w1, w2), e2 (t1: w1), e3 (t2: v, of another type), e4 (t1: w3, fails)."""
    for tenant in ("t1", "t2"):
        await outpost.tenant(tenant)
    await outpost.webhook("w1", topics=["user.created", "user.updated"])
    await outpost.webhook("w2")
    await outpost.webhook("w3", topics=["user.deleted"])
    await outpost.webhook(
        "v", "t2", type="vault", config={"region": "eu"}, credentials={"key": "k"}, topics=["user.created"]
    )
    outpost.receivers.answers["w3"] = REFUSED
    for event_id, tenant, topic in (
        ("e1", "t1", "user.created"),
        ("e2", "t1", "user.updated"),
        ("e3", "t2", "user.created"),
        ("e4", "t1", "user.deleted"),
    ):
        await outpost.publish(event_id, tenant_id=tenant, topic=topic)
        outpost.clock.advance(seconds=1)
    return outpost


async def test_an_event_is_shown_with_its_data(delivered: InProcessOutpost) -> None:
    """Scenario 107."""
    await delivered.publish("e2", metadata={"k": "v"})

    plain = await delivered.api("GET", "/events/e1")
    noted = await delivered.api("GET", "/events/e2")
    unknown = await delivered.api("GET", "/events/nope")

    assert (plain.status, plain.json()) == (200, EVENT | {"data": {"n": 1}})
    assert noted.json()["metadata"] == {"k": "v"}
    assert (unknown.status, unknown.json()) == (404, refused(404, "event not found"))


async def test_the_newest_of_events_that_share_an_id_is_shown(outpost: InProcessOutpost) -> None:
    """Fault 39."""
    for tenant in ("t1", "t2"):
        await outpost.tenant(tenant)
        await outpost.webhook("w", tenant)
        await outpost.publish("e1", tenant_id=tenant)
        outpost.clock.advance(seconds=1)

    assert (await outpost.api("GET", "/events/e1")).json()["tenant_id"] == "t2"
    assert (await outpost.api("GET", "/events/e1?tenant_id=t1")).json()["tenant_id"] == "t1"


async def test_one_thing_is_looked_up_within_a_tenant(delivered: InProcessOutpost) -> None:
    """Scenario 108."""
    own = (await delivered.api("GET", "/tenants/t1/token")).json()["token"]
    other = await delivered.tenant("t2")

    for path, thing in (("/events/e1", "event"), ("/attempts/atm_000001", "attempt")):
        assert (await delivered.api("GET", f"{path}?tenant_id=t1")).status == 200
        wrong = await delivered.api("GET", f"{path}?tenant_id=t2")
        foreign = await delivered.api("GET", f"{path}?tenant_id=t1", token=other)
        ignored = await delivered.api("GET", f"{path}?tenant_id=t2", token=own)
        assert (wrong.status, wrong.json()) == (404, refused(404, f"{thing} not found"))
        assert (foreign.status, foreign.json()) == (404, refused(404, f"{thing} not found"))
        assert ignored.status == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["e4", "e3", "e2", "e1"]),
        ("tenant_id=t1", ["e4", "e2", "e1"]),
        ("tenant_id=t1&tenant_id=t2", ["e4", "e3", "e2", "e1"]),
        ("tenant_id=nope", []),
        ("tenant_id=", []),
        ("id=e1", ["e1"]),
        ("id[]=e1&id[]=e3", ["e3", "e1"]),
        ("id[5]=e1&id[0]=e2&id=e3", ["e2", "e1"]),
        ("id%5B%5D=e1", ["e1"]),
        ("destination_id=w2", ["e1"]),
        ("destination_id=w2&destination_id=w3", ["e4", "e1"]),
        ("topic=user.created", ["e3", "e1"]),
        ("topic[]=user.created&topic[]=user.updated", ["e3", "e2", "e1"]),
        ("topic[0]=user.created&topic[1]=user.updated", ["e3", "e2", "e1"]),
        ("topic=user.*", []),
        ("topic=user.created&tenant_id=t1", ["e1"]),
        ("topic=user.created,user.updated", []),
        ("topic[x]=nope", ["e4", "e3", "e2", "e1"]),
        ("%zz=1&id=e1", ["e1"]),
        ("id=%zz", ["e4", "e3", "e2", "e1"]),
        ("status=failed&code=500", ["e4", "e3", "e2", "e1"]),
        ("dir=asc&order_by=time", ["e1", "e2", "e3", "e4"]),
        ("id=%00", []),
    ],
)
async def test_events_are_chosen(many: InProcessOutpost, query: str, found: list[str]) -> None:
    """Scenario 109."""
    assert ids(await many.api("GET", f"/events?{query}")) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["e4/w3", "e3/v", "e2/w1", "e1/w2", "e1/w1"]),
        ("tenant_id=t2", ["e3/v"]),
        ("event_id=e1", ["e1/w2", "e1/w1"]),
        ("event_id[]=e1&event_id[]=e2&destination_id=w1", ["e2/w1", "e1/w1"]),
        ("destination_id[0]=w2&destination_id[1]=v", ["e3/v", "e1/w2"]),
        ("destination_type=vault", ["e3/v"]),
        ("destination_type=vault&destination_type=webhook", ["e4/w3", "e3/v", "e2/w1", "e1/w2", "e1/w1"]),
        ("topic=user.updated", ["e2/w1"]),
        ("status=failed", ["e4/w3"]),
        ("status=success&topic=user.created&tenant_id=t1", ["e1/w2", "e1/w1"]),
        ("status=bogus", []),
        ("status=", ["e4/w3", "e3/v", "e2/w1", "e1/w2", "e1/w1"]),
        ("code=500&manual=true", ["e4/w3", "e3/v", "e2/w1", "e1/w2", "e1/w1"]),
        ("dir=asc&tenant_id=t1", ["e1/w1", "e1/w2", "e2/w1", "e4/w3"]),
    ],
)
async def test_attempts_are_chosen(many: InProcessOutpost, query: str, found: list[str]) -> None:
    """Scenarios 117 and 121."""
    answer = await many.api("GET", f"/attempts?{query}")

    assert answer.status == 200
    assert [f"{model['event_id']}/{model['destination_id']}" for model in answer.json()["models"]] == found


@pytest.mark.parametrize("path", ["/events", "/attempts"])
async def test_a_tenant_sees_its_own_and_may_not_ask_for_others(many: InProcessOutpost, path: str) -> None:
    """Scenario 110."""
    token = (await many.api("GET", "/tenants/t2/token")).json()["token"]

    for query in ("", "?tenant_id=t2", "?tenant_id[]=t2"):
        answer = await many.api("GET", path + query, token=token)
        assert [model["tenant_id"] for model in answer.json()["models"]] == ["t2"]
    for query in ("?tenant_id=t1", "?tenant_id=t2&tenant_id=t1", "?tenant_id=", "?tenant_id=t2&tenant_id=t2"):
        answer = await many.api("GET", path + query, token=token)
        message = "tenant_id query parameter does not match authenticated tenant"
        assert (answer.status, answer.json()) == (403, refused(403, message))


@pytest.mark.parametrize(
    ("query", "limit"),
    [("", 100), ("limit=0", 100), ("limit=-1", 100), ("limit=abc", 100), ("limit=1", 1), ("limit=5000", 1000)],
)
@pytest.mark.parametrize("path", ["/events", "/attempts"])
async def test_a_limit_out_of_range_is_put_right(
    delivered: InProcessOutpost, path: str, query: str, limit: int
) -> None:
    """Scenario 111; fault 36."""
    answer = await delivered.api("GET", f"{path}?{query}")

    page = {"order_by": "time", "dir": "desc", "limit": limit, "next": None, "prev": None}
    assert (answer.status, answer.json()["pagination"]) == (200, page)


FORMAT = "invalid format, expected RFC3339 (e.g. 2024-01-15T09:30:00Z or 2024-01-15T09:30:00.123Z) or YYYY-MM-DD"


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("dir=up", refused(422, "validation error", {"query.dir": "must be 'asc' or 'desc'"})),
        ("order_by=created_at", refused(422, "validation error", {"query.order_by": "must be one of: [time]"})),
        ("time[gte]=yesterday", refused(422, "validation error", {"query.time[gte]": FORMAT})),
        ("time%5Blt%5D=2024-13-01", refused(422, "validation error", {"query.time[lt]": FORMAT})),
        ("time[gt]=2024-01-01T00:00:00", refused(422, "validation error", {"query.time[gt]": FORMAT})),
        ("time[lte]=2024-01-01T00:00:00+02:00", refused(422, "validation error", {"query.time[lte]": FORMAT})),
        ("time[any]=x", refused(400, "operator 'any' is not supported, use 'gte', 'lte', 'gt', or 'lt'")),
        ("next=a&prev=b", refused(400, "cannot specify both 'next' and 'prev' cursors")),
        ("next=!!!", refused(400, "invalid cursor")),
        ("prev=abc", refused(400, "invalid cursor")),
    ],
)
@pytest.mark.parametrize("path", ["/events", "/attempts", "/tenants/t1/destinations/w1/attempts"])
async def test_a_query_that_means_nothing_is_refused(
    delivered: InProcessOutpost, path: str, query: str, refusal: dict[str, Any]
) -> None:
    """Scenarios 112 and 116."""
    answer = await delivered.api("GET", f"{path}?{query}")

    assert (answer.status, answer.json()) == (refusal["status"], refusal)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("time[gte]=2026-01-02T03:04:06.678901Z", ["e4", "e3", "e2"]),
        ("time[gt]=2026-01-02T03:04:06.678901Z", ["e4", "e3"]),
        ("time[lte]=2026-01-02T03:04:06.678901Z", ["e2", "e1"]),
        ("time[lt]=2026-01-02T03:04:06.678901Z", ["e1"]),
        ("time[gte]=2026-01-02T05:04:06.678901%2B02:00&time[lt]=2026-01-02T03:04:08Z", ["e3", "e2"]),
        ("time[gte]=2026-01-02&time[lt]=2026-01-03", ["e4", "e3", "e2", "e1"]),
        ("time[gte]=2026-01-03", []),
        ("time[foo]=x&time=y&time[gte]=", ["e4", "e3", "e2", "e1"]),
    ],
)
async def test_a_window_of_time_is_cut_out(many: InProcessOutpost, query: str, found: list[str]) -> None:
    """Scenarios 112 and 113."""
    attempts = await many.api("GET", f"/attempts?{query}&destination_id=w1&destination_id=v&destination_id=w3")

    assert ids(await many.api("GET", f"/events?{query}")) == found
    assert [model["event_id"] for model in attempts.json()["models"]] == found


async def test_an_attempt_shows_nothing_that_was_not_asked_for(delivered: InProcessOutpost) -> None:
    """Scenario 117."""
    listed = await delivered.api("GET", "/attempts")
    single = await delivered.api("GET", "/attempts/atm_000001")
    nested = await delivered.api("GET", "/tenants/t1/destinations/w1/attempts/atm_000001")

    assert listed.json()["models"] == [ATTEMPT]
    assert single.json() == nested.json() == ATTEMPT


@pytest.mark.parametrize(
    ("query", "added"),
    [
        ("include=event", {"event": EVENT}),
        ("include[]=event.data", {"event": EVENT | {"data": {"n": 1}}}),
        ("include=event&include=event.data", {"event": EVENT | {"data": {"n": 1}}}),
        ("include[0]=response_data", {"response_data": {"status": 200, "body": "ok"}}),
        ("include=event,response_data", {}),
        ("include=nothing&include=", {}),
    ],
)
async def test_an_attempt_shows_what_is_included(delivered: InProcessOutpost, query: str, added: Any) -> None:
    """Scenario 118; fault 23."""
    for path in ("/attempts/atm_000001", "/tenants/t1/destinations/w1/attempts/atm_000001"):
        assert (await delivered.api("GET", f"{path}?{query}")).json() == ATTEMPT | added
    for path in ("/attempts", "/tenants/t1/destinations/w1/attempts"):
        assert (await delivered.api("GET", f"{path}?{query}")).json()["models"] == [ATTEMPT | added]


async def test_a_destination_beside_an_attempt_shows_no_credentials(delivered: InProcessOutpost) -> None:
    """Scenario 118; fault 24."""
    destination = (await delivered.api("GET", "/tenants/t1/destinations/w1")).json()
    assert destination["credentials"]["secret"]

    answer = await delivered.api("GET", "/attempts?include=destination")

    assert answer.json()["models"][0]["destination"] == destination | {"credentials": {}}


async def test_a_deleted_destination_is_left_out_and_its_attempts_stay(delivered: InProcessOutpost) -> None:
    """Scenarios 119 and 122."""
    await delivered.api("DELETE", "/tenants/t1/destinations/w1")

    for path in ("/attempts", "/tenants/t1/destinations/w1/attempts"):
        assert (await delivered.api("GET", f"{path}?include=destination")).json()["models"] == [ATTEMPT]


async def test_a_failure_without_an_answer_has_no_response(outpost: InProcessOutpost) -> None:
    """Scenario 120."""
    await outpost.tenant("t1")
    await outpost.webhook("w1")
    outpost.receivers.answers["w1"] = REFUSED
    await outpost.publish("e1")

    attempt = (await outpost.api("GET", "/attempts?include=response_data")).json()["models"][0]

    assert (attempt["status"], attempt["code"]) == ("failed", "connection_refused")
    assert "response_data" not in attempt


async def test_the_attempts_of_a_destination_are_those_of_the_path(many: InProcessOutpost) -> None:
    """Scenario 122."""
    fixed = await many.api("GET", "/tenants/t1/destinations/w1/attempts?destination_id=w2&tenant_id=t2")
    chosen = await many.api("GET", "/tenants/t1/destinations/w1/attempts?topic=user.updated&status=success")
    unknown = await many.api("GET", "/tenants/t1/destinations/nope/attempts")
    no_tenant = await many.api("GET", "/tenants/nope/destinations/w1/attempts")

    assert [model["event_id"] for model in fixed.json()["models"]] == ["e2", "e1"]
    assert [model["event_id"] for model in chosen.json()["models"]] == ["e2"]
    assert (unknown.status, unknown.json()["models"]) == (200, [])
    assert (no_tenant.status, no_tenant.json()) == (404, refused(404, "tenant not found"))


@pytest.mark.parametrize("path", ["/tenants/t1/destinations/w2", "/tenants/t2/destinations/w1"])
async def test_an_attempt_is_not_found_through_another_destination_or_tenant(
    delivered: InProcessOutpost, path: str
) -> None:
    """Scenario 123."""
    await delivered.tenant("t2")
    await delivered.webhook("w2")

    answer = await delivered.api("GET", f"{path}/attempts/atm_000001")

    assert (answer.status, answer.json()) == (404, refused(404, "attempt not found"))


async def test_destinations_of_one_id_are_shown_each_with_its_tenant(outpost: InProcessOutpost) -> None:
    for tenant in ("t1", "t2"):
        await outpost.tenant(tenant)
        await outpost.webhook("same", tenant, metadata={"of": tenant})
        await outpost.publish("e", tenant_id=tenant)

    models = (await outpost.api("GET", "/attempts?include=destination")).json()["models"]

    assert [model["destination"]["metadata"]["of"] == model["tenant_id"] for model in models] == [True, True]
