"""One page of keys as calls of the upgrade script, a batch of records of one kind in each."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from outpost.migrations.redis.families import Names, Sorted


class Call(msgspec.Struct, frozen=True):
    """What one call works on.

    Attributes:
        keys: As the script wants them, without the fence.
        counts: Of each kind: old tenants, old destinations, old summaries, tenants, destinations.
        ids: Of the old records.
    """

    keys: Sequence[bytes]
    counts: tuple[int, int, int, int, int]
    ids: Sequence[bytes] = ()

    @property
    def records(self) -> int:
        return sum(self.counts)


def calls(found: Sorted, names: Names, size: int, *, careful: bool) -> Iterator[Call]:
    """Return the calls for a page.

    Args:
        size: Records in one call.
        careful: Old destinations come with the keys that tell whether they were deleted since.
    """
    for tenants in _parts(found.old_tenants, size):
        yield Call(
            [
                name
                for key, tenant in tenants
                for name in (key, key + b":destinations", names.tenant(tenant), names.summary(tenant))
            ],
            (len(tenants), 0, 0, 0, 0),
            [tenant for _, tenant in tenants],
        )
    for destinations in _parts(found.old_destinations, size):
        keys = (
            [
                name
                for key, tenant, destination in destinations
                for name in (
                    key,
                    names.destination(tenant, destination),
                    names.tenant(tenant),
                    names.summary(tenant),
                    names.old_summary(tenant),
                )
            ]
            if careful
            else [
                name
                for key, tenant, destination in destinations
                for name in (key, names.destination(tenant, destination))
            ]
        )
        yield Call(keys, (0, len(destinations), 0, 0, 0), [destination for _, _, destination in destinations])
    for summaries in _parts(found.old_summaries, size):
        yield Call(
            [
                name
                for key, tenant in summaries
                for name in (key, names.old_tenant(tenant), names.summary(tenant), names.tenant(tenant))
            ],
            (0, 0, len(summaries), 0, 0),
            [tenant for _, tenant in summaries],
        )
    for keys in _parts(found.tenants, size):
        yield Call(keys, (0, 0, 0, len(keys), 0))
    for keys in _parts(found.destinations, size):
        yield Call(keys, (0, 0, 0, 0, len(keys)))


def _parts(records: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]
