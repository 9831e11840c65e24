"""What `apply` would do, found by looking at part of the records."""

from collections.abc import Sequence

from outpost.migrations.redis import survey
from outpost.migrations.redis.books import Tally
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.families import Sorter
from outpost.migrations.redis.health import health
from outpost.migrations.redis.migration import Migration
from outpost.migrations.redis.odd import OddOnes
from outpost.migrations.redis.work import Counting, Task
from outpost.migrations.redis.workers import worker_for
from outpost.migrations.report import PlannedStep

_LOOKED_AT = 20_000
_ESTIMATED_FROM = 2_000
"""Records that tell by how much the servers grow; where that does not matter, an upgrade does not wait for more."""
_BATCH = 100
_RECORDS_PER_SECOND = 40_000  # of a usual server; `apply` reports its own speed
_BYTES_PER_RECORD = 600


class Planner:
    """Counts what is pending; nothing is written."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def steps(self, pending: Sequence[Migration], *, quick: bool) -> Sequence[PlannedStep]:
        if not pending or quick:
            return [_step(each) for each in pending]
        old = any(each.number == 1 for each in pending)
        portion = await survey.first(self._context, _LOOKED_AT, old=old)
        found = await self._would_do(portion.keys, "".join(str(each.number) for each in pending))
        scale = portion.population / len(portion.keys) if portion.keys else 1.0
        room = await self._room()
        return [self._estimate(each, found, scale, whole=portion.whole, room=room) for each in pending]

    async def growth(self, pending: Sequence[Migration]) -> int:
        """Return about how many bytes `apply` adds to all servers together."""
        if not any(each.number == 1 for each in pending):
            return 0
        portion = await survey.first(self._context, _ESTIMATED_FROM, old=True)
        found = await self._would_do(portion.keys, "1")
        scale = portion.population / len(portion.keys) if portion.keys else 1.0
        return round(found.counts[1].migrated * scale) * _BYTES_PER_RECORD

    async def _would_do(self, keys: Sequence[bytes], wanted: str) -> Tally:
        task = Task(self._context, wanted)
        worker, total = worker_for(task), Tally()
        odd = OddOnes(task, worker, Counting())
        for start in range(0, len(keys), 1_000):
            found = Sorter(self._context.names, old=task.old).sort(keys[start : start + 1_000])
            unclear = found.unclear
            done = await worker.page(found, batch=_BATCH, again=False)
            await odd.settle(done, unclear)
            total.add(done.tally)
        return total

    def _estimate(self, migration: Migration, found: Tally, scale: float, *, whole: bool, room: str) -> PlannedStep:
        count = found.counts[migration.number]
        records, aside = round(count.migrated * scale), round(count.quarantined * scale)
        counts = {"records": records} if records else {}
        if aside:
            counts["records that cannot be understood"] = aside
        notes = [] if whole or not records else [f"estimated from a sample; {scale:.0f} times what was looked at"]
        if records:
            notes.append(f"about {max(records / _RECORDS_PER_SECOND, 1):.0f} s on a usual server")
        if migration.number == 1 and records:
            notes.append(f"about {records * _BYTES_PER_RECORD / 1_048_576:.0f} MiB more memory{room}")
        return _step(migration, counts, notes)

    async def _room(self) -> str:
        shares = [(await health(node)).memory_share for node in await self._context.redis.nodes()]
        known = [share for share in shares if share is not None]
        return f"; the fullest server is at {max(known):.0%} of its limit" if known else ""


def _step(migration: Migration, counts: dict[str, int] | None = None, notes: Sequence[str] = ()) -> PlannedStep:
    kept = [f"kept until cleanup: {migration.preserves}"] if migration.preserves else []
    return PlannedStep(
        id=f"redis/{migration.name}", description=migration.description, counts=counts or {}, notes=[*notes, *kept]
    )
