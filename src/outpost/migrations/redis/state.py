"""What is recorded of each migration, in a form that the original program reads too.

outpost:migration:002_timestamps
    status      `applied` or `not_applicable`; anything else, or nothing, is pending to the original
    applied_at  RFC 3339; releases 0.12 to 0.16 wrote Unix seconds
    checked_at  when it was found not to be applicable, and `reason` why
    state       ours: running, incomplete, parked, applied, not_applicable
    fence, run, version, host, started_at, duration_ms, min_reader, detail
    matched, migrated, already, vanished, quarantined, newer, gone
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime

from outpost.codec import format_time, parse_time
from outpost.migrations.errors import DataIsNewer
from outpost.migrations.redis.books import OUTCOMES, Tally, books_of
from outpost.migrations.redis.catalogue import MIGRATIONS, READER
from outpost.migrations.redis.context import Context, decoded
from outpost.migrations.redis.migration import Migration
from outpost.migrations.report import MigrationState, State
from outpost.migrations.run import Run

Recorded = Mapping[str, str]
"""The fields of one migration's hash; empty if there is none."""

_SATISFIED = ("applied", "not_applicable")
_BEGUN: Mapping[str, State] = {"running": "running", "incomplete": "incomplete", "parked": "parked"}


class StateStore:
    """Reads and writes the states."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def read(self) -> Mapping[str, Recorded]:
        """Return what is recorded of each migration, by name.

        Raises:
            DataIsNewer: A newer program has left data that this one does not understand.
        """
        keys = self._context.keys
        wanted = [*(keys.state(each.name) for each in MIGRATIONS), keys.store]
        futures = [self._context.redis.send("HGETALL", key) for key in wanted]
        *recorded, store = [decoded(reply) for reply in await asyncio.gather(*futures)]
        oldest = max([0, *(_number(each.get("min_reader")) for each in [*recorded, store])])
        if oldest > READER:
            raise DataIsNewer(
                f"a newer Outpost has migrated the data in Redis to format {oldest}, and this one understands up to "
                f"{READER}; nothing was touched. Run the newer version"
            )
        return dict(zip((each.name for each in MIGRATIONS), recorded, strict=True))

    async def unprefixed(self) -> Sequence[str]:
        """Return the migrations that are recorded without the prefix of the deployment, as releases before 0.16 did."""
        prefix = self._context.keys.prefix
        if not prefix:
            return []
        futures = [
            self._context.redis.send("HGET", self._context.keys.state(each.name).removeprefix(prefix), "status")
            for each in MIGRATIONS
        ]
        found = await asyncio.gather(*futures)
        return [each.name for each, status in zip(MIGRATIONS, found, strict=True) if status is not None]

    async def began(self, run: Run, migrations: Sequence[Migration], *, doubtful: bool) -> None:
        """Note that a run works on migrations. What the original reads of them is left alone."""
        begun: list[Awaitable[None]] = []
        for migration in migrations:
            fields = {"state": "running", "started_at": format_time(_now()), "detail": "", **_who(run)}
            if migration.number == 1:
                fields["doubtful"] = "yes" if doubtful else "no"
            begun.append(self._write(run, migration, fields))
        await asyncio.gather(*begun)

    async def stopped(self, run: Run, migrations: Sequence[Migration], state: State, detail: str, tally: Tally) -> None:
        """Note that a run ended before they were applied."""
        for migration in migrations:
            fields = {"state": state, "detail": detail, **_who(run), **_counts(migration, tally)}
            await self._write(run, migration, fields)

    async def applied(self, run: Run, migration: Migration, milliseconds: int, tally: Tally) -> None:
        fields = {
            "status": "applied",
            "applied_at": format_time(_now()),
            "state": "applied",
            "detail": _remark(migration, tally),
            "duration_ms": str(milliseconds),
            "min_reader": str(migration.min_reader),
            **_who(run),
            **_counts(migration, tally),
        }
        await self._write(run, migration, fields)

    async def inapplicable(self, run: Run, migration: Migration, reason: str) -> None:
        fields = {
            "status": "not_applicable",
            "checked_at": format_time(_now()),
            "reason": reason,
            "state": "not_applicable",
            **_who(run),
        }
        await self._write(run, migration, fields)

    async def _write(self, run: Run, migration: Migration, fields: dict[str, str]) -> None:
        run.check()
        await self._context.remember(self._context.keys.state(migration.name), run.fence, fields)


def state_of(
    migration: Migration, recorded: Recorded, *, prefix: str, running: str = "", note: str = ""
) -> MigrationState:
    """Return the state of a migration as it is reported.

    Args:
        running: The run that holds the lock now, if any.
        note: Said of it while it is pending.
    """
    reason = migration.inapplicable(prefix)
    status = recorded.get("status", "")
    begun = _BEGUN.get(recorded.get("state", ""))
    if status in _SATISFIED and begun is None:
        state: State = "applied" if status == "applied" else "not_applicable"
    elif reason:
        state = "not_applicable"
    else:
        state = begun or "pending"
    if state == "running" and recorded.get("run") != running:
        state = "incomplete"
    detail = recorded.get("detail", "")
    if state == "not_applicable":
        detail = recorded.get("reason", "") or reason
    duration = recorded.get("duration_ms", "")
    return MigrationState(
        id=f"redis/{migration.name}",
        state=state,
        description=migration.description,
        applied_at=instant(recorded.get("applied_at", "")) if state == "applied" else None,
        duration_ms=int(duration) if duration.isdigit() and state == "applied" else None,
        host=recorded.get("host", ""),
        version=recorded.get("version", ""),
        detail=detail or (note if state == "pending" else ""),
        online=migration.online,
    )


def instant(text: str) -> datetime | None:
    """Return a recorded time: RFC 3339, or Unix seconds; None if it is neither."""
    try:
        return datetime.fromtimestamp(int(text), UTC) if text.isdigit() else parse_time(text)
    except (ValueError, OverflowError, OSError):
        return None


def _who(run: Run) -> dict[str, str]:
    return {"run": run.owner.run, "host": run.owner.host, "version": run.owner.version}


def _counts(migration: Migration, tally: Tally) -> dict[str, str]:
    (books,) = books_of(tally, [migration.number])
    counts = {name: str(getattr(books, name)) for name in ("matched", *OUTCOMES)}
    return {**counts, "newer": str(tally.newer), "gone": str(tally.gone)} if migration.number == 1 else counts


def _remark(migration: Migration, tally: Tally) -> str:
    if migration.number != 1:
        return ""
    remarks: list[str] = []
    if tally.newer:
        remarks.append(f"{tally.newer} newer records were kept, and the old ones beside them not taken over")
    if tally.gone:
        remarks.append(f"{tally.gone} old records stay out, because they were deleted after an earlier migration")
    return "; ".join(remarks)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
