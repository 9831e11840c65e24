"""What both records together say about each migration."""

from collections.abc import Sequence

import msgspec

from outpost.migrations.sql.dialect import Recorded
from outpost.migrations.sql.postgres.books import Book
from outpost.migrations.sql.postgres.shape import drift, shapes


def needs_shape(book: Book) -> bool:
    """Say whether the records leave open what was done, so that the tables must tell."""
    unfinished = book.rows.get(book.version)
    return book.dirty and (unfinished is None or unfinished.finished)


def records(book: Book, shape: frozenset[str]) -> Sequence[Recorded]:
    """Return what was begun or applied, by number.

    The original tool's number counts: what it has not, or not yet, is not applied, whatever this tool once recorded.

    Args:
        shape: What the catalog shows; looked at only if `needs_shape`.
    """
    found: dict[int, Recorded] = {}
    for number, row in book.rows.items():
        if row.finished and number > book.version:
            detail = f"schema_migrations says {book.version}, so somebody has set it back; the tables decide"
            row = msgspec.structs.replace(row, finished=False, in_doubt=True, detail=detail)
        found[number] = row
    for number in range(1, book.version + (0 if book.dirty else 1)):
        known = found.get(number)
        if known is None or (not known.finished and number < book.version):
            found[number] = Recorded(number=number)
    if needs_shape(book):
        found[book.version] = Recorded(
            number=book.version, finished=False, dirty=True, detail=_what_became_of(book.version, shape)
        )
    return [found[number] for number in sorted(found)]


def _what_became_of(version: int, shape: frozenset[str]) -> str:
    if version >= len(shapes()):
        return "another tool failed in it"
    if drift(shape, version).fits:
        return "another tool ended before it could record it; the tables are complete, so `apply` records it"
    if drift(shape, version - 1).fits:
        return (
            f"another tool failed in it; the tables are those of {version - 1:06d}, so nothing of it is left and "
            "`apply` runs it again"
        )
    return f"another tool failed in it, and the tables are neither those before nor those after {version:06d}"
