"""How a destination record lies in a row of the SQLite table `destinations`."""

import json
from typing import Any

from outpost.codec import from_milliseconds, read_string_map, to_milliseconds, write_json, write_string_map
from outpost.domain.identifiers import TenantId
from outpost.ports.tenant_store import DestinationRecord

FIELDS = (
    "id, type, topics, filter, config, credentials, delivery_metadata, metadata, created_at, updated_at, disabled_at"
)
"""The columns of `to_row` and `from_row`, in their order."""


def to_row(record: DestinationRecord) -> tuple[Any, ...]:
    return (
        record.id,
        record.type,
        write_json(record.topics),
        None if record.filter is None else write_json(record.filter),
        write_string_map(record.config),
        record.credentials,
        record.delivery_metadata,
        write_string_map(record.metadata),
        to_milliseconds(record.created_at),
        to_milliseconds(record.updated_at),
        None if record.disabled_at is None else to_milliseconds(record.disabled_at),
    )


def from_row(tenant_id: TenantId, row: tuple[Any, ...]) -> DestinationRecord:
    (id_, type_, topics, filter_, config, credentials, delivery_metadata, metadata, created, updated, disabled) = row
    return DestinationRecord(
        id=id_,
        tenant_id=tenant_id,
        type=type_,
        topics=tuple(json.loads(topics)),
        filter=None if filter_ is None else json.loads(filter_),
        config=read_string_map(config),
        credentials=credentials,
        delivery_metadata=delivery_metadata,
        metadata=read_string_map(metadata),
        created_at=from_milliseconds(created),
        updated_at=from_milliseconds(updated),
        disabled_at=None if disabled is None else from_milliseconds(disabled),
    )
