"""Reading tenants with what follows from their destinations."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from outpost.codec import from_milliseconds, read_string_map, to_milliseconds
from outpost.domain.identifiers import TenantId
from outpost.domain.tenant import Tenant, TenantOverview
from outpost.ports.paging import Page
from outpost.ports.tenant_store import TenantPage, TenantQuery
from outpost.stores.sqlite_paging import Conditions, fetch_page
from outpost.stores.tenant.overview import overview

T = TypeVar("T")

# The destinations' topics come along as one list of lists, so that a page is one query.
_TENANTS = """
SELECT t.id, t.metadata, t.created_at, t.updated_at,
       (SELECT json_group_array(json(d.topics)) FROM destinations AS d
         WHERE d.tenant_key = t.key AND d.deleted_at IS NULL)
  FROM tenants AS t"""


def read_tenant(connection: sqlite3.Connection, tenant_id: TenantId) -> TenantOverview | None:
    row = connection.execute(f"{_TENANTS} WHERE t.id = ? AND t.deleted_at IS NULL", (tenant_id,)).fetchone()
    return None if row is None else _overview(row)


def list_tenants(connection: sqlite3.Connection, query: TenantQuery) -> TenantPage:
    conditions = Conditions()
    conditions.add("t.deleted_at IS NULL")
    conditions.add_any_of("t.id", query.ids)

    def read() -> TenantPage:
        (count,) = connection.execute(
            f"SELECT count(*) FROM tenants AS t WHERE {conditions.sql}", conditions.parameters
        ).fetchone()
        page = fetch_page(
            connection, _TENANTS, conditions, query.page, order=("t.created_at", "t.id"), stored=to_milliseconds
        )
        return TenantPage(page=Page(items=[_overview(row) for row in page.items], more=page.more), count=count)

    return _in_one_snapshot(connection, read)


def _in_one_snapshot(connection: sqlite3.Connection, read: Callable[[], T]) -> T:
    connection.execute("BEGIN")
    try:
        return read()
    finally:
        connection.execute("COMMIT")


def _overview(row: tuple[Any, ...]) -> TenantOverview:
    id_, metadata, created_at, updated_at, topics = row
    tenant = Tenant(
        id=id_,
        metadata=read_string_map(metadata),
        created_at=from_milliseconds(created_at),
        updated_at=from_milliseconds(updated_at),
    )
    return overview(tenant, json.loads(topics))
