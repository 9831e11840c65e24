"""Drives a running Outpost through the published SDK; runs inside the SDK's own environment.

Arguments: base URL, API key, URL of the destination, id of a new tenant. Prints what it saw as one JSON object.
"""

import json
import sys
import time

from outpost_sdk import Outpost  # pyright: ignore[reportMissingImports]  lives in the SDK's own environment


def main(base: str, key: str, destination_url: str, tenant_id: str) -> None:
    with Outpost(server_url=base, api_key=key) as sdk:
        tenant = sdk.tenants.upsert(tenant_id=tenant_id, body={"metadata": {"plan": "pro"}})
        tenants = sdk.tenants.list(request={"id": tenant_id})
        destination = sdk.destinations.create(
            tenant_id=tenant_id,
            body={"type": "webhook", "topics": ["user.created"], "config": {"url": destination_url}},
        )
        listed = sdk.destinations.list(tenant_id=tenant_id, type_="webhook")
        published = sdk.publish(
            request={"tenant_id": tenant_id, "topic": "user.created", "data": {"n": 1}, "metadata": {"source": "sdk"}}
        )
        first = _wait_for_attempts(sdk, published.id, 1)
        retried = sdk.retry(request={"event_id": published.id, "destination_id": destination.id})
        both = _wait_for_attempts(sdk, published.id, 2)
        event = sdk.events.get(event_id=published.id)
        events = sdk.events.list(request={"tenant_id": tenant_id, "limit": 10})
        single = sdk.attempts.get(attempt_id=first[0].id, include="response_data")
        token = sdk.tenants.get_token(tenant_id=tenant_id)
        portal = sdk.tenants.get_portal_url(tenant_id=tenant_id, theme="dark")
        sdk.destinations.disable(tenant_id=tenant_id, destination_id=destination.id)
        disabled = sdk.destinations.get(tenant_id=tenant_id, destination_id=destination.id)
        sdk.destinations.enable(tenant_id=tenant_id, destination_id=destination.id)
        updated = sdk.destinations.update(
            tenant_id=tenant_id, destination_id=destination.id, body={"type": "webhook", "metadata": {"a": "b"}}
        )
        seen = {
            "tenant": tenant.id,
            "tenants": [each.id for each in tenants.models],
            "destination": destination.id,
            "listed": [each.id for each in listed],
            "event": published.id,
            "matched": published.destination_ids,
            "retried": retried.success,
            "attempts": sorted((each.attempt_number, each.manual, str(each.status.value)) for each in both),
            "event_data": event.data,
            "events": [each.id for each in events.models],
            "response_status": single.response_data["status"],
            "token_tenant": token.tenant_id,
            "portal": portal.redirect_url.split("?")[0],
            "disabled": disabled.disabled_at is not None,
            "updated": updated.metadata,
            "types": [each.type for each in sdk.schemas.list_destination_types()],
            "topics": sdk.topics.list(),
            "health": sdk.health.check().status.value,
            "deleted": sdk.destinations.delete(tenant_id=tenant_id, destination_id=destination.id).success,
        }
    print(json.dumps(seen))


def _wait_for_attempts(sdk: Outpost, event_id: str, count: int) -> list:
    deadline = time.monotonic() + 20
    while True:
        page = sdk.attempts.list(request={"event_id": event_id, "include": ["event", "response_data"]})
        if len(page.models) >= count or time.monotonic() > deadline:
            return page.models
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
