"""The names of a tenant's keys in Redis.

    <prefix>tenant:{<tenant>}:tenant                       hash: the tenant
    <prefix>tenant:{<tenant>}:destinations                 hash: the summary, one field per live destination
    <prefix>tenant:{<tenant>}:destination:<destination>    hash: a destination
    <prefix>outpost:tenants                                sorted set: our index, see redis_listing.py
    <prefix>outpost:tenants:complete                       string: see redis_listing.py

The braces are part of the names: what stands between the first `{` and the next `}` chooses the slot of a cluster, so
all keys of a tenant lie together. That also holds for a tenant `a}b`. It does not for a tenant whose id begins with
`}`: between its braces is nothing, and Redis then looks at the whole name.
"""

import re

from outpost.domain.identifiers import TenantId


class TenantKeys:
    """Makes the names for one deployment.

    Args:
        prefix: The deployment id followed by a colon, or empty.
    """

    def __init__(self, prefix: str) -> None:
        self._start = f"{prefix}tenant:{{".encode()
        self.index = f"{prefix}outpost:tenants".encode()
        self.complete = f"{prefix}outpost:tenants:complete".encode()
        escaped = re.sub(rb"([*?\[\]\\])", rb"\\\1", self._start)
        self.every_tenant = escaped + b"*}:tenant"
        """A pattern for SCAN. It also selects destinations whose id ends in `}:tenant`."""
        self.every_destination = escaped + b"*}:destination:*"
        """A pattern for SCAN. It also selects what else belongs to tenants whose id holds `}:destination:`."""

    def tenant(self, tenant_id: TenantId) -> bytes:
        return b"%s%s}:tenant" % (self._start, tenant_id.encode())

    def tenant_of(self, key: bytes) -> TenantId | None:
        """Return whose key of a tenant this is; None if the id is no text."""
        try:
            return TenantId(key.removeprefix(self._start).removesuffix(b"}:tenant").decode())
        except UnicodeDecodeError:
            return None

    def summary(self, tenant_id: TenantId) -> bytes:
        return b"%s%s}:destinations" % (self._start, tenant_id.encode())

    def destination(self, tenant_id: TenantId, destination_id: bytes) -> bytes:
        return b"%s%s}:destination:%s" % (self._start, tenant_id.encode(), destination_id)
