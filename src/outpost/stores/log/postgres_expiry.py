"""Deleting old events from the tables of a Postgres database, row by row: partitions are the operator's."""

from datetime import datetime

from outpost.clients.postgres import Connection

# $1 the instant, $2 how many events. An id may have been used again: an attempt belongs to the event of its time. The
# last attempt is asked for event by event: a NOT EXISTS may be planned as a join with all that were made since.
EXPIRE_EVENTS = """
WITH expired AS (
    SELECT e.time, e.id, e.tenant_id
      FROM events AS e
     WHERE e.time < $1
       AND coalesce($1 > (
           SELECT max(a.time)
             FROM attempts AS a
            WHERE a.event_id = e.id AND a.tenant_id = e.tenant_id AND a.event_time = e.time), TRUE)
     ORDER BY e.time, e.id
     LIMIT $2
), deleted_attempts AS (
    DELETE FROM attempts AS a
     USING expired AS e
     WHERE a.event_id = e.id AND a.tenant_id = e.tenant_id AND a.event_time = e.time
), deleted_events AS (
    DELETE FROM events AS e USING expired AS x WHERE e.time = x.time AND e.id = x.id RETURNING 1
)
SELECT count(*) FROM deleted_events"""

# $1 the instant, $2 how many attempts. Nothing else would ever delete these.
EXPIRE_ORPHANS = """
WITH orphans AS (
    SELECT a.time, a.id
      FROM attempts AS a
     WHERE a.time < $1
       AND NOT EXISTS (
           SELECT FROM events AS e WHERE e.time = a.event_time AND e.id = a.event_id AND e.tenant_id = a.tenant_id)
     ORDER BY a.time, a.id
     LIMIT $2
), deleted AS (
    DELETE FROM attempts AS a USING orphans AS o WHERE a.time = o.time AND a.id = o.id RETURNING 1
)
SELECT count(*) FROM deleted"""


async def delete(connection: Connection, instant: datetime, limit: int) -> int:
    """Delete up to `limit` expired events with their attempts, then attempts that have no event; return how many."""
    deleted: int = await connection.fetchval(EXPIRE_EVENTS, instant, limit)
    if deleted < limit:
        deleted += await connection.fetchval(EXPIRE_ORPHANS, instant, limit - deleted)
    return deleted
