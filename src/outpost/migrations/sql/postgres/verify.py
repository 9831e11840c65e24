"""Proving that the tables are what the applied migrations make, and that the data in them holds together."""

from collections.abc import Sequence
from datetime import datetime

from outpost.clients.postgres import Connection
from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import Check
from outpost.migrations.sql.postgres import books
from outpost.migrations.sql.postgres.books import Book
from outpost.migrations.sql.postgres.comparison import (
    ATTEMPTS,
    Table,
    compare_all,
    compare_sample,
    events,
)
from outpost.migrations.sql.postgres.database import Database
from outpost.migrations.sql.postgres.kept import PREFIX
from outpost.migrations.sql.postgres.shape import drift, read_shape, shapes

_SHOWN = 20
_EXISTS = "SELECT to_regclass(quote_ident(current_schema()) || '.' || quote_ident($1)) IS NOT NULL"


async def verify(database: Database, applied: int, request: VerifyRequest) -> Sequence[Check]:
    """Return what was found.

    Args:
        applied: The number of the newest applied migration.
    """
    if applied == 0:
        return []
    async with database.reading() as connection:
        book = await books.read_book(connection)
        found = await read_shape(connection)
        kept: dict[str, int] = {}
        for table in sorted({table for counts in book.counts.values() for table in counts}):
            if table.startswith(PREFIX) and await connection.fetchval(_EXISTS, table):
                kept[table] = await connection.fetchval(f"SELECT count(*) FROM {table}")
        begun_at = await _matching_began(connection) if book.rows else None
    begun = next((row for row in book.rows.values() if not row.finished), None)
    if begun is not None:
        note = f"{begun.number:06d} is not finished: its tables are between two versions and are not compared"
        return [Check(name="postgres: schema", note=note)]
    checks = [_schema(found, applied), *_kept(book, kept)]
    if applied >= 5:
        checks.append(await _compared(database, ATTEMPTS, request, "carry the data of their event", _NO_EVENT))
    if applied >= 7:
        if begun_at is None:
            note = "the original tool has filled no matched_destination_ids, so there is nothing to compare"
            checks.append(Check(name="postgres: events", note=note))
        else:
            table = events(begun_at, kept="outpost_kept_event_destinations" in kept)
            checks.append(await _compared(database, table, request, "know their destinations", _YOUNG))
    return checks


_NO_EVENT = "without an event in the table, so with nothing to compare"
_YOUNG = "younger than the migration"


async def _matching_began(connection: Connection) -> datetime | None:
    return await connection.fetchval("SELECT begun_at FROM outpost_migrations WHERE number = 7")


def _schema(found: frozenset[str], version: int) -> Check:
    if version >= len(shapes()):
        return Check(name="postgres: schema", note=f"this program has no snapshot of {version:06d}")
    off = drift(found, version)
    own = [sentence for sentence in off.foreign if sentence.startswith("index ")]
    differences = [*off.sentences()]
    differences += [f"not of the migrations: {sentence}" for sentence in off.foreign if sentence not in own]
    wanted = len(shapes()[version])
    return Check(
        name="postgres: schema",
        compared=wanted,
        population=wanted,
        different=len(differences),
        differences=differences[:_SHOWN],
        note="; ".join(f"not of the migrations, and harmless: {sentence}" for sentence in own),
    )


def _kept(book: Book, kept: dict[str, int]) -> Sequence[Check]:
    """What was moved aside is still there, to the row."""
    checks: list[Check] = []
    for number, counts in sorted(book.counts.items()):
        for table, count in counts.items():
            name = f"postgres: {table}"
            if table not in kept:
                note = f"{count:,} rows were removed by `cleanup`; they can no longer be compared"
                checks.append(Check(name=name, note=note))
                continue
            different = abs(kept[table] - count)
            text = f"{number:06d} moved {count:,} rows to {table}, which holds {kept[table]:,}"
            checks.append(
                Check(
                    name=name,
                    compared=count,
                    population=count,
                    different=different,
                    differences=[text] if different else [],
                )
            )
    return checks


async def _compared(database: Database, table: Table, request: VerifyRequest, claim: str, alone: str) -> Check:
    if request.full:
        found = await compare_all(database, table)
    else:
        found = await compare_sample(database, table, size=request.sample, seed=request.seed)
    notes = [f"{found.alone:,} {alone}"] if found.alone else []
    if request.full:
        notes.append(f"digest {found.digest}")
    return Check(
        name=f"postgres: {table.name} {claim}",
        compared=found.compared,
        population=found.population,
        different=found.different,
        differences=found.differences,
        note="; ".join(notes),
    )
