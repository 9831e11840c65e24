"""Whose events and attempts a caller may read."""

from collections.abc import Sequence

from outpost.api.auth import Caller
from outpost.api.errors import forbidden
from outpost.api.query import Query
from outpost.domain.identifiers import TenantId


def tenant_filter(caller: Caller, query: Query) -> Sequence[str] | None:
    """Return the tenants that a list covers; None means all.

    Raises:
        Problem: A tenant asked for another tenant, or for several.
    """
    wanted = query.many("tenant_id")
    own = caller.tenant_id
    if own is None:
        return wanted
    if wanted not in (None, [own]):
        raise forbidden("tenant_id query parameter does not match authenticated tenant")
    return [own]


def one_tenant(caller: Caller, query: Query) -> TenantId | None:
    """Return the tenant in which a single thing is looked up; None means any."""
    if caller.tenant_id is not None:
        return caller.tenant_id
    wanted = query.one("tenant_id")
    return None if wanted is None else TenantId(wanted)
