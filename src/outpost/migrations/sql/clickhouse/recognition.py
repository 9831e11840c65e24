"""What is applied, read from three witnesses: our journal, the rows of the original tool, and the schema itself.

journal      original tool   schema            is
finished     -               -                 applied
begun        -               -                 incomplete: taken up where it stopped
-            clean           shows it          applied, by the original tool
-            clean           does not          incomplete: the row is wrong, the statements are run
-            dirty           known shape       dirty: the statements are run again, what is there stays
-            dirty           unknown shape     in doubt: a person decides
any          any             before 0.13       incomplete: the old tables are moved aside first
"""

from collections.abc import Mapping, Sequence

from outpost.migrations.sql.clickhouse import old_tables
from outpost.migrations.sql.clickhouse.bookkeeping import Entry, Version
from outpost.migrations.sql.clickhouse.catalog import Catalog
from outpost.migrations.sql.clickhouse.probe import holds
from outpost.migrations.sql.dialect import Recorded
from outpost.migrations.sql.script import Script


def recognised(
    scripts: Sequence[Script], *, catalog: Catalog, version: Version | None, entries: Mapping[int, Entry]
) -> Sequence[Recorded]:
    """Return what was begun or applied, by number."""
    reached = version.version if version is not None else 0
    moves = old_tables.moves(catalog)
    recorded: list[Recorded] = []
    for script in scripts:
        entry = entries.get(script.number)
        if moves and (entry is not None or script.number <= reached):
            recorded.append(_unfinished(script, "; ".join(move.sentence for move in moves)))
        elif entry is not None:
            recorded.append(_from_journal(entry, script))
        elif script.number == reached and version is not None and version.dirty:
            recorded.append(_dirty(script, catalog))
        elif script.number <= reached:
            recorded.append(_adopted(script, scripts[:reached], catalog))
    recorded += [_from_journal(entry, None) for number, entry in entries.items() if number > len(scripts)]
    if reached > len(scripts) and reached not in entries:
        recorded.append(Recorded(number=reached))
    return sorted(recorded, key=lambda each: each.number)


def _from_journal(entry: Entry, script: Script | None) -> Recorded:
    statements = len(script.statements) if script is not None else entry.done
    return Recorded(
        number=entry.number,
        name=entry.name,
        checksum=entry.checksum,
        digests=entry.digests,
        finished=entry.finished,
        detail="" if entry.finished else f"{entry.done} of {statements} statements done",
        applied_at=entry.at if entry.finished else None,
        duration_ms=entry.duration_ms if entry.finished else None,
        host=entry.host,
        version=entry.version,
    )


def _dirty(script: Script, catalog: Catalog) -> Recorded:
    doubts = [f"{table} is missing" for table in old_tables.missing(catalog)] if script.number > 1 else []
    doubts += [f"{table} is of a shape no release has made" for table in old_tables.foreign(catalog)]
    if doubts:
        return Recorded(
            number=script.number,
            name=script.name,
            finished=False,
            in_doubt=True,
            detail=f"the original tool failed in it, and {', '.join(doubts)}",
        )
    state = "all of it is in the schema" if holds(script, catalog) else "not all of it is in the schema"
    detail = f"the original tool failed in it; {state}, and `apply` completes it"
    return Recorded(number=script.number, name=script.name, finished=False, dirty=True, detail=detail)


def _adopted(script: Script, reached: Sequence[Script], catalog: Catalog) -> Recorded:
    """A later script may have undone part of an earlier one, so only the newest is looked for in the schema.

    What every script needs is looked for always: without the tables nothing was applied, whatever the rows say.
    """
    if old_tables.missing(catalog) or (script is reached[-1] and not holds(script, catalog)):
        return _unfinished(script, "recorded as applied, but the schema does not show it")
    return Recorded(number=script.number, name=script.name)


def _unfinished(script: Script, detail: str) -> Recorded:
    return Recorded(number=script.number, name=script.name, finished=False, detail=detail)
