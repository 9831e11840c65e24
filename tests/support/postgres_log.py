"""The reference's tables in a Postgres database, and rows written straight into them."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from outpost.clients.postgres import Pool, Target, connect
from outpost.codec import write_string_map
from outpost.domain.attempt import Attempt
from outpost.domain.event import Event
from tests.support.checkout import ROOT

SNAPSHOTS = ROOT / "tests" / "migrations" / "postgres" / "snapshots"
SCHEMA = SNAPSHOTS / "schema.sql.gz"

_EVENT = """
INSERT INTO events (id, tenant_id, time, topic, eligible_for_retry, data, metadata, matched_destination_ids)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"""
_ATTEMPT = """
INSERT INTO attempts (id, event_id, destination_id, status, time, code, response_data, manual, attempt_number,
                      tenant_id, topic, event_time, eligible_for_retry, event_data, event_metadata, destination_type)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"""


def restore(url: str, dump: Path) -> None:
    """Run the statements of a compressed dump, outside of any event loop."""
    asyncio.run(restoring(url, dump))


async def restoring(url: str, dump: Path) -> None:
    """Run the statements of a compressed dump, on a connection of their own, whose settings they change."""
    async with connect(Target.parse(url), application="tests") as connection:
        await connection.execute(gzip.decompress(dump.read_bytes()).decode())


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pool]:
    async with Pool(Target.parse(url), application="tests") as pool:
        yield pool


async def insert_event(pool: Pool, event: Event, attempts: Sequence[Attempt] = ()) -> None:
    """Insert an event, unless its row is there already, and attempts made for it."""
    metadata = write_string_map(event.metadata)
    event_row = (
        event.id,
        event.tenant_id,
        event.time,
        event.topic,
        event.eligible_for_retry,
        event.data.decode(),
        metadata,
        event.matched_destination_ids,
    )
    attempt_rows = [
        (
            attempt.id,
            attempt.event_id,
            attempt.destination_id,
            attempt.status,
            attempt.time,
            attempt.code,
            "null" if attempt.response_data is None else attempt.response_data.decode(),
            attempt.manual,
            attempt.attempt_number,
            attempt.tenant_id,
            event.topic,
            event.time,
            event.eligible_for_retry,
            event.data.decode(),
            metadata,
            attempt.destination_type,
        )
        for attempt in attempts
    ]
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(_EVENT, *event_row)
        for attempt_row in attempt_rows:
            await connection.execute(_ATTEMPT, *attempt_row)


async def execute(pool: Pool, statement: str, *parameters: object) -> None:
    async with pool.connection() as connection:
        await connection.execute(statement, *parameters)
