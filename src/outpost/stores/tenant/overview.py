"""What a tenant's destinations tell about the tenant."""

from collections.abc import Iterable, Sequence

from outpost.domain.tenant import Tenant, TenantOverview


def overview(tenant: Tenant, topics_of_destinations: Sequence[Iterable[str]]) -> TenantOverview:
    """Return `tenant` with the number of its destinations and the union of their topics."""
    union = {topic for topics in topics_of_destinations for topic in topics}
    topics = ("*",) if "*" in union else tuple(sorted(union))
    return TenantOverview(tenant=tenant, destinations_count=len(topics_of_destinations), topics=topics)
