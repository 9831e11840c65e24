"""After an upgrade, installations of real older releases deliver what is published and what they had still to retry."""

import json
from typing import Any

from tests.e2e.distributed.installation import Installation
from tests.support.planned_retries import planned_by
from tests.support.receiver import Receiver
from tests.support.recorded_answers import quoted

_WITHOUT_WEBHOOK = "empty-tenant"


async def test_each_tenant_gets_what_is_published(installation: Installation, receiver: Receiver) -> None:
    tenants = await installation.tenants()
    assert len(tenants) == 13
    published: dict[str, str] = {}
    for tenant in tenants:
        destination = await _a_webhook(installation, tenant, receiver.url(_path(tenant, "published")))
        event = {"tenant_id": tenant, "topic": _topic_of(destination), "data": {"to": tenant}}
        answer = await installation.outpost.api("POST", "/publish", event)
        assert answer.status == 202, answer.body
        assert destination["id"] in answer.json()["destination_ids"]
        published[tenant] = answer.json()["id"]

    for tenant, event_id in published.items():
        (request,) = await receiver.until(1, _path(tenant, "published"))
        assert (request.event_id, json.loads(request.body)) == (event_id, {"to": tenant})


async def _a_webhook(installation: Installation, tenant: str, url: str) -> Any:
    """Return the tenant's first, pointed there; a new one for a tenant that has none."""
    webhooks = [each for each in await installation.webhooks(tenant) if "filter" not in each]
    assert (not webhooks) == (tenant == _WITHOUT_WEBHOOK)
    if webhooks:
        await installation.point(tenant, webhooks[0]["id"], url)
        return webhooks[0]
    wanted = {"type": "webhook", "topics": ["*"], "config": {"url": url}}
    answer = await installation.outpost.api("POST", f"/tenants/{quoted(tenant)}/destinations", wanted)
    assert answer.status == 201, answer.body
    return answer.json()


def _topic_of(destination: Any) -> str:
    topic: str = destination["topics"][0]
    return "user.created" if "*" in topic else topic


async def test_every_planned_retry_is_made_once_unless_its_destination_is_gone(
    installation: Installation, receiver: Receiver
) -> None:
    planned = [json.loads(body) for body in planned_by(installation.release).values()]
    owed: dict[str, list[str]] = {}
    for tenant in sorted({retry["TenantID"] for retry in planned}):
        for destination in await installation.webhooks(tenant):
            path = _path(tenant, destination["id"])
            await installation.point(tenant, destination["id"], receiver.url(path))
            retried = [retry for retry in planned if _path(retry["TenantID"], retry["DestinationID"]) == path]
            owed[path] = sorted(retry["EventID"] for retry in retried)

    await installation.make_planned_retries()
    for path, events in owed.items():
        await receiver.until(len(events), path)

    assert {path: sorted(request.event_id for request in receiver.requests(path)) for path in owed} == owed
    gone = [retry for retry in planned if retry["DestinationID"] == "des_deleted"]
    assert sum(map(len, owed.values())) == len(planned) - len(gone)


def _path(tenant: str, name: str) -> str:
    return f"/{quoted(tenant)}/{quoted(name)}"
