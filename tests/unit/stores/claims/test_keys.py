"""The names of claims: those of the original, and ours, which no two pieces of work share."""

from outpost.domain.identifiers import DestinationId, EventId, TenantId
from outpost.stores.claims.keys import delivery_key, publish_key

ACME, EVENT, DESTINATION = TenantId("acme"), EventId("evt_1"), DestinationId("des_1")


def test_a_deployment_names_work_as_the_original_does() -> None:
    assert publish_key(ACME, EVENT, scope="deployment") == "idempotency:publishmq:evt_1"
    assert delivery_key(ACME, EVENT, DESTINATION, 1, scope="deployment") == "idempotency:deliverymq:evt_1:des_1:1"


def test_tenants_have_names_of_their_own() -> None:
    assert publish_key(ACME, EVENT, scope="tenant") == "idempotency:publish:4:acme:5:evt_1"
    assert delivery_key(ACME, EVENT, DESTINATION, 2, scope="tenant") == "idempotency:delivery:4:acme:5:evt_1:des_1:2"


def test_ids_with_colons_are_told_apart() -> None:
    texts = ["", "a", "b", "a:b", "1:a", ":", "1:a:1", "a:1"]
    published = {publish_key(TenantId(tenant), EventId(event), scope="tenant") for tenant in texts for event in texts}
    delivered = {
        delivery_key(TenantId(tenant), EventId(event), DestinationId(destination), number, scope="tenant")
        for tenant in texts
        for event in texts
        for destination in texts
        for number in (1, 11)
    }

    assert len(published) == len(texts) ** 2
    assert len(delivered) == len(texts) ** 3 * 2
