"""Postgres data as release v0.12 of the reference left it, at version 4."""

from outpost.clients.postgres import Connection

_EVENTS = """
INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
SELECT 'evt_' || n, 't' || n % 1000, CASE n % 4 WHEN 0 THEN 'des_' || n % 3 ELSE '' END,
       timestamptz '2025-01-01' + n * interval '1 second', 'order.' || n % 7, true,
       jsonb_build_object('order', n, 'text', repeat(md5(n::text), 8)), '{"source": "shop"}'
  FROM generate_series($1::int, $2::int) AS n"""
_DELIVERIES = """
INSERT INTO deliveries (id, event_id, destination_id, status, time, code, response_data, manual, attempt)
SELECT 'del_' || n, 'evt_' || n, 'des_' || n % 3, CASE n % 9 WHEN 0 THEN 'failed' ELSE 'success' END,
       timestamptz '2025-01-01 00:00:02' + n * interval '1 second', '200', '{"body": {"ok": true}}', false, 0
  FROM generate_series($1::int, $2::int) AS n"""
_INDEX = """
INSERT INTO event_delivery_index
       (event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status)
SELECT 'evt_' || n, 'del_' || n, 't' || n % 1000, 'des_' || n % 3, timestamptz '2025-01-01' + n * interval '1 second',
       timestamptz '2025-01-01 00:00:02' + n * interval '1 second', 'order.' || n % 7, 'success'
  FROM generate_series($1::int, $2::int) AS n"""
_AT_ONCE = 50_000


async def fill(connection: Connection, *, events: int) -> None:
    """Write events, each with one delivery, into empty tables."""
    for first in range(1, events + 1, _AT_ONCE):
        last = min(first + _AT_ONCE - 1, events)
        for statement in (_EVENTS, _DELIVERIES, _INDEX):
            await connection.execute(statement, first, last)
    await connection.execute("VACUUM ANALYZE")
