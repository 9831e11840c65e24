"""How a destination record lies in Redis: fields and values as the original program writes and reads them.

    hash      id, entity, type, topics, config, credentials, created_at, updated_at,
              and where there is one: disabled_at, delivery_metadata, metadata, filter, deleted_at
    topics    joined by commas
    ..._at    milliseconds since 1970 in decimal; older releases wrote RFC 3339 or left `updated_at` out
    sealed    credentials and delivery_metadata, as raw bytes

A hash with `deleted_at` is what is left of a deleted thing; it expires.
"""

import json
from datetime import datetime
from typing import Any, cast

from outpost.clients.redis import Argument
from outpost.codec import (
    cut_to_milliseconds,
    from_milliseconds,
    parse_time,
    read_string_map,
    to_milliseconds,
    write_json,
    write_string_map,
    write_summary,
)
from outpost.domain.destination import JsonObject
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.domain.tenant import StringMap
from outpost.ports.tenant_store import DestinationRecord
from outpost.stores.redis_replies import Stored

Fields = dict[bytes, bytes]


class BrokenRecord(Exception):
    """A stored record cannot be read. Says which field, and nothing of its content."""


def fields_of(stored: Stored) -> Fields:
    """Return the fields of a hash from the reply to HGETALL.

    Raises:
        BrokenRecord: The key holds no hash.
    """
    if stored is None:
        raise BrokenRecord("its key holds another type")
    return dict(zip(stored[::2], stored[1::2], strict=True))


def write_record(record: DestinationRecord) -> list[Argument]:
    """Return the fields of a destination's hash and their values, alternating, in the original's order."""
    fields: list[tuple[str, Argument | None]] = [
        ("id", record.id),
        ("entity", "destination"),
        ("type", record.type),
        ("topics", ",".join(record.topics)),
        ("config", write_string_map(record.config)),
        ("credentials", record.credentials),
        ("created_at", to_milliseconds(record.created_at)),
        ("updated_at", to_milliseconds(record.updated_at)),
        ("disabled_at", None if record.disabled_at is None else to_milliseconds(record.disabled_at)),
        ("delivery_metadata", record.delivery_metadata),
        ("metadata", write_string_map(record.metadata) if record.metadata else None),
        ("filter", write_json(record.filter) if record.filter else None),
    ]
    return [part for name, value in fields if value is not None for part in (name, value)]


def write_summary_of(record: DestinationRecord) -> str:
    """Return a destination's entry in the summary."""
    return write_summary(
        record.id, record.type, record.topics, condition=record.filter, disabled=record.disabled_at is not None
    )


def read_record(tenant_id: TenantId, destination_id: bytes, stored: Stored) -> DestinationRecord | None:
    """Return the destination that a hash holds, or None if it is missing or deleted.

    Raises:
        BrokenRecord: It cannot be read.
    """
    fields = fields_of(stored)
    if not fields or b"deleted_at" in fields:
        return None
    created_at = read_instant(fields, b"created_at")
    topics = _text(fields, b"topics")
    return DestinationRecord(
        id=DestinationId(_decoded(destination_id, "id")),
        tenant_id=tenant_id,
        type=_text(fields, b"type"),
        topics=tuple(topics.split(",")) if topics else (),
        filter=_read_filter(fields.get(b"filter")),
        config=read_map(fields, b"config"),
        credentials=_present(fields, b"credentials"),
        delivery_metadata=fields.get(b"delivery_metadata"),
        metadata=read_map(fields, b"metadata"),
        created_at=created_at,
        updated_at=read_updated_at(fields, created_at),
        disabled_at=instant_of(fields.get(b"disabled_at")),
    )


def read_instant(fields: Fields, name: bytes) -> datetime:
    """Return an instant that must be there.

    Raises:
        BrokenRecord: It is absent or unreadable.
    """
    instant = instant_of(fields.get(name))
    if instant is None:
        raise BrokenRecord(f"{name.decode()} is no instant")
    return instant


def instant_of(value: bytes | None) -> datetime | None:
    """Return a stored instant in either form, cut to milliseconds; None if it is absent or unreadable."""
    try:
        text = (value or b"").decode()
        return from_milliseconds(int(text)) if text.isdecimal() else cut_to_milliseconds(parse_time(text))
    except (ValueError, OverflowError):
        return None


def read_updated_at(fields: Fields, created_at: datetime) -> datetime:
    """Return when a thing was changed last; that it was created, if it does not say."""
    return instant_of(fields.get(b"updated_at")) or created_at


def read_map(fields: Fields, name: bytes) -> StringMap:
    """Return a map of texts; an absent one is empty.

    Raises:
        BrokenRecord: It is something else.
    """
    value = fields.get(name)
    if not value:
        return {}
    try:
        return read_string_map(value)
    except ValueError:
        raise BrokenRecord(f"{name.decode()} is no JSON object of texts") from None


def _read_filter(value: bytes | None) -> JsonObject | None:
    if not value:
        return None
    try:
        condition: Any = json.loads(value)
    except (ValueError, RecursionError):
        condition = ...
    if condition is not None and not isinstance(condition, dict):
        raise BrokenRecord("filter is no JSON object")
    return cast("JsonObject | None", condition) or None


def _text(fields: Fields, name: bytes) -> str:
    return _decoded(_present(fields, name), name.decode())


def _present(fields: Fields, name: bytes) -> bytes:
    try:
        return fields[name]
    except KeyError:
        raise BrokenRecord(f"{name.decode()} is missing") from None


def _decoded(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BrokenRecord(f"{name} is not text") from None
