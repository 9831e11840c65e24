"""What every driver does to a destination record."""

from datetime import datetime

import msgspec

from outpost.codec import cut_to_milliseconds
from outpost.ports.tenant_store import DestinationRecord


def in_milliseconds(record: DestinationRecord) -> DestinationRecord:
    """Return the record with its instants as the store keeps them."""
    return msgspec.structs.replace(
        record,
        created_at=cut_to_milliseconds(record.created_at),
        updated_at=cut_to_milliseconds(record.updated_at),
        disabled_at=None if record.disabled_at is None else cut_to_milliseconds(record.disabled_at),
    )


def listing_order(record: DestinationRecord) -> tuple[datetime, str]:
    """Return the key by which a tenant's destinations are sorted."""
    return record.created_at, record.id
