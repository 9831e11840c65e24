"""Tenants and destinations in a SQLite file.

A deleted tenant or destination stays as a row without content: events and attempts refer to it. Its id may be used
again; the row then starts anew under the same key.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from outpost.clients.sqlite import Database
from outpost.codec import from_milliseconds, to_milliseconds, write_json, write_string_map
from outpost.domain.errors import DestinationExists, DestinationLimitReached, NotFound, OutpostError
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.domain.tenant import StringMap, Tenant, TenantOverview
from outpost.ports.tenant_store import DestinationRecord, TenantPage, TenantQuery
from outpost.stores.sqlite_errors import store_errors
from outpost.stores.tenant.cache import RecordCache, Records
from outpost.stores.tenant.record import in_milliseconds
from outpost.stores.tenant.sqlite_listing import list_tenants, read_tenant
from outpost.stores.tenant.sqlite_row import FIELDS, from_row, to_row

T = TypeVar("T")

_TENANT_KEY = "SELECT key FROM tenants WHERE id = ? AND deleted_at IS NULL"

_RECORDS = f"""
SELECT {FIELDS} FROM destinations
 WHERE tenant_key = ({_TENANT_KEY}) AND deleted_at IS NULL
 ORDER BY created_at, id"""
_RECORD = f"""
SELECT {FIELDS} FROM destinations
 WHERE tenant_key = ({_TENANT_KEY}) AND id = ? AND deleted_at IS NULL"""
_STORE_RECORD = f"""
INSERT INTO destinations (tenant_key, {FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (tenant_key, id) DO UPDATE
   SET type = excluded.type, topics = excluded.topics, filter = excluded.filter, config = excluded.config,
       credentials = excluded.credentials, delivery_metadata = excluded.delivery_metadata,
       metadata = excluded.metadata, created_at = excluded.created_at, updated_at = excluded.updated_at,
       disabled_at = excluded.disabled_at, deleted_at = NULL"""
_ERASE_RECORDS = """
UPDATE destinations
   SET deleted_at = ?, topics = '[]', filter = NULL, config = '{}', credentials = x'', delivery_metadata = NULL,
       metadata = '{}'
 WHERE tenant_key = ? AND deleted_at IS NULL"""

_SEALED = """
SELECT credentials FROM destinations
 WHERE key IN (SELECT value FROM json_each(?)) AND deleted_at IS NULL"""


class SQLiteTenantRecords:
    """`TenantRecords` over an open database, whose only writer must be this process.

    Args:
        tenants_in_memory: Of how many tenants the destination records are kept in memory, the last used ones.
    """

    def __init__(self, database: Database, *, tenants_in_memory: int = 50_000) -> None:
        self._database = database
        self._cache = RecordCache(self._load, limit=tenants_in_memory)

    async def put_tenant(self, tenant_id: TenantId, metadata: StringMap, *, now: datetime) -> tuple[Tenant, bool]:
        updated_at = to_milliseconds(now)

        def put(connection: sqlite3.Connection) -> tuple[int, bool]:
            return _put_tenant(connection, tenant_id, write_string_map(metadata), updated_at)

        created_at, is_new = await self._write(tenant_id, put)
        tenant = Tenant(
            id=tenant_id,
            metadata=dict(metadata),
            created_at=from_milliseconds(created_at),
            updated_at=from_milliseconds(updated_at),
        )
        return tenant, is_new

    async def tenant(self, tenant_id: TenantId) -> TenantOverview | None:
        with store_errors():
            return await self._database.read(lambda connection: read_tenant(connection, tenant_id))

    async def delete_tenant(self, tenant_id: TenantId, *, now: datetime) -> Sequence[DestinationId] | None:
        deleted_at = to_milliseconds(now)
        return await self._write(tenant_id, lambda connection: _delete_tenant(connection, tenant_id, deleted_at))

    async def tenants(self, query: TenantQuery) -> TenantPage:
        with store_errors():
            return await self._database.read(lambda connection: list_tenants(connection, query))

    async def add_record(self, record: DestinationRecord, *, limit: int) -> None:
        # An expected refusal is a result of the operation: raising it there would undo the whole group of operations.
        refusal = await self._write(record.tenant_id, lambda connection: _add_record(connection, record, limit))
        if refusal is not None:
            raise refusal

    async def records(self, tenant_id: TenantId) -> tuple[DestinationRecord, ...]:
        records = self._cache.get(tenant_id)
        return await self._cache.fill(tenant_id) if records is None else records

    async def change_record(
        self,
        tenant_id: TenantId,
        destination_id: DestinationId,
        change: Callable[[DestinationRecord], DestinationRecord],
    ) -> DestinationRecord | None:
        def operation(connection: sqlite3.Connection) -> DestinationRecord | Exception | None:
            return _change_record(connection, tenant_id, destination_id, change)

        changed = await self._write(tenant_id, operation)
        if isinstance(changed, Exception):
            raise changed
        return changed

    async def delete_record(self, tenant_id: TenantId, destination_id: DestinationId, *, now: datetime) -> bool:
        deleted_at = to_milliseconds(now)

        def delete(connection: sqlite3.Connection) -> bool:
            key = _tenant_key(connection, tenant_id)
            done = connection.execute(_ERASE_RECORDS + " AND id = ?", (deleted_at, key, destination_id))
            return done.rowcount == 1

        return await self._write(tenant_id, delete)

    async def sealed_sample(self, most: int) -> Sequence[bytes]:
        with store_errors():
            return await self._database.read(lambda connection: _sealed_sample(connection, most))

    async def _load(self, tenant_id: TenantId) -> Records:
        def query(connection: sqlite3.Connection) -> Records:
            return tuple(from_row(tenant_id, row) for row in connection.execute(_RECORDS, (tenant_id,)))

        with store_errors():
            return await self._database.read(query)

    async def _write(self, tenant_id: TenantId, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run a write on one tenant and forget what was remembered of it.

        The shield matters: a write whose caller is cancelled still happens, and must still be followed by forgetting.
        """
        written = self._database.write(operation)
        written.add_done_callback(lambda _: self._cache.forget(tenant_id))
        with store_errors():
            return await asyncio.shield(written)


def _tenant_key(connection: sqlite3.Connection, tenant_id: TenantId) -> int | None:
    row = connection.execute(_TENANT_KEY, (tenant_id,)).fetchone()
    return None if row is None else row[0]


def _put_tenant(connection: sqlite3.Connection, tenant_id: TenantId, metadata: str, now: int) -> tuple[int, bool]:
    """Return when the tenant was created, and whether that is now."""
    row = connection.execute(
        "UPDATE tenants SET metadata = ?, updated_at = ? WHERE id = ? AND deleted_at IS NULL RETURNING created_at",
        (metadata, now, tenant_id),
    ).fetchone()
    if row is not None:
        return row[0], False
    connection.execute(
        "INSERT INTO tenants (id, metadata, created_at, updated_at) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET metadata = excluded.metadata, created_at = excluded.created_at, updated_at = excluded.updated_at, "
        "deleted_at = NULL",
        (tenant_id, metadata, now, now),
    )
    return now, True


def _delete_tenant(connection: sqlite3.Connection, tenant_id: TenantId, now: int) -> list[DestinationId] | None:
    key = _tenant_key(connection, tenant_id)
    if key is None:
        return None
    rows = connection.execute(
        "SELECT id FROM destinations WHERE tenant_key = ? AND deleted_at IS NULL ORDER BY created_at, id", (key,)
    ).fetchall()
    connection.execute(_ERASE_RECORDS, (now, key))
    connection.execute("UPDATE tenants SET deleted_at = ?, metadata = '{}' WHERE key = ?", (now, key))
    return [row[0] for row in rows]


def _add_record(connection: sqlite3.Connection, record: DestinationRecord, limit: int) -> OutpostError | None:
    key = _tenant_key(connection, record.tenant_id)
    if key is None:
        return NotFound("tenant")
    count, same_id = connection.execute(
        "SELECT count(*), coalesce(sum(id = ?), 0) FROM destinations WHERE tenant_key = ? AND deleted_at IS NULL",
        (record.id, key),
    ).fetchone()
    if same_id:
        return DestinationExists()
    if count >= limit:
        return DestinationLimitReached()
    connection.execute(_STORE_RECORD, (key, *to_row(record)))
    return None


def _change_record(
    connection: sqlite3.Connection,
    tenant_id: TenantId,
    destination_id: DestinationId,
    change: Callable[[DestinationRecord], DestinationRecord],
) -> DestinationRecord | Exception | None:
    row = connection.execute(_RECORD, (tenant_id, destination_id)).fetchone()
    if row is None:
        return None
    stored = from_row(tenant_id, row)
    try:
        changed = in_milliseconds(change(stored))
    except Exception as error:  # handed to the caller as it is; nothing was written yet
        return error
    changed = msgspec.structs.replace(changed, id=stored.id, tenant_id=stored.tenant_id)
    connection.execute(_STORE_RECORD, (_tenant_key(connection, tenant_id), *to_row(changed)))
    return changed


def _sealed_sample(connection: sqlite3.Connection, most: int) -> list[bytes]:
    """Look at rows drawn by their keys, which have no gaps: what is deleted stays as a row."""
    (last,) = connection.execute("SELECT coalesce(max(key), 0) FROM destinations").fetchone()
    keys = random.sample(range(1, last + 1), min(most, last))
    return [row[0] for row in connection.execute(_SEALED, (write_json(keys),))]
