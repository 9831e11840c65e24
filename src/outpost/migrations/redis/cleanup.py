"""Removes what `apply` has preserved: records under old keys, and the texts that were replaced."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from outpost.clients.redis import slot_of
from outpost.codec import format_time
from outpost.migrations.errors import Refused
from outpost.migrations.failpoints import failpoint
from outpost.migrations.redis import survey
from outpost.migrations.redis.catalogue import READER
from outpost.migrations.redis.context import Context, decoded
from outpost.migrations.redis.families import Sorted, Sorter, old_of
from outpost.migrations.redis.health import health
from outpost.migrations.redis.odd import sorted_one
from outpost.migrations.redis.quarantine import RedisQuarantine
from outpost.migrations.redis.scripts import script
from outpost.migrations.redis.state import Recorded
from outpost.migrations.redis.verify import Verifier
from outpost.migrations.redis.work import Task
from outpost.migrations.redis.workers import worker_for
from outpost.migrations.report import CleanupItem, MigrationState
from outpost.migrations.run import Run
from outpost.migrations.throttle import Throttle

_SOAK = timedelta(hours=24)
_ALIVE = timedelta(seconds=90)
_LOOKED_AT = 20_000
_BATCH = 100
_PAUSE = 0.25
OLD_KEYS = "records under old keys"
KEPT_TIMES = "records with replaced times"


class Cleanup:
    """Removes old data of one deployment."""

    def __init__(self, context: Context, verifier: Verifier) -> None:
        self._context = context
        self._verifier = verifier
        self._quarantine = RedisQuarantine(context)
        self._sorter = Sorter(context.names, old=not context.keys.prefix)

    async def preserved(self, recorded: Mapping[str, Recorded]) -> str:
        """Return in words what the states say is preserved; no look at the data."""
        store = await self._context.hash(self._context.keys.store)
        if store.get("cleaned_at"):
            return ""
        parts = [
            f"{int(recorded[name].get('migrated', '0')):,} {what}"
            for name, what in (("001_hash_tags", OLD_KEYS), ("002_timestamps", KEPT_TIMES))
            if recorded[name].get("state") == "applied" and int(recorded[name].get("migrated", "0"))
        ]
        return ", ".join(parts)

    async def plan(self) -> Sequence[CleanupItem]:
        """Estimate from some of the keys; exact in a small store."""
        portion = await survey.first(self._context, _LOOKED_AT, old=not self._context.keys.prefix)
        found = self._sorter.sort(portion.keys)
        scale = portion.population / len(portion.keys) if portion.keys else 1.0
        kept = await asyncio.gather(
            *(self._context.redis.run(script("kept"), [key]) for key in [*found.tenants, *found.destinations])
        )
        return _items(round(len(old_of(found)) * scale), round(sum(kept) * scale))

    async def remove(self, run: Run, states: Sequence[MigrationState], *, force: bool) -> Sequence[CleanupItem]:
        """Remove it.

        Raises:
            Refused: Something speaks against it, and `force` was not given.
        """
        pending = [state.id for state in states if not state.satisfied]
        if pending:
            raise Refused(
                f"nothing was removed: the old data is needed while migrations are pending ({', '.join(pending)}). "
                "Run: outpost migrate apply"
            )
        if not force:
            await self._refuse_if_needed(states)
        aside = {key for _, key in await self._quarantine.entries()}
        old = kept = 0
        throttle = Throttle(run.limits)
        async for keys in survey.pages(self._context, old=not self._context.keys.prefix):
            await self._ready(run, throttle)
            found = self._sorter.sort(key for key in keys if key not in aside)
            old += await self._remove(run, await self._migrated(found), "unlink")
            failpoint("redis.unlinked")
            kept += await self._remove(run, [*found.tenants, *found.destinations], "strip")
            failpoint("redis.stripped")
        store = await self._context.hash(self._context.keys.store)
        noted = {
            "cleaned_at": format_time(datetime.now(UTC).replace(microsecond=0)),
            "forced": str(force),
            "verified_before": store.get("verified", ""),
        }
        await self._context.remember(self._context.keys.store, run.fence, noted)
        return _items(old, kept)

    async def _refuse_if_needed(self, states: Sequence[MigrationState]) -> None:
        verified = await self._verifier.last_full()
        if verified is None or verified.different:
            found = "has found differences" if verified else "has not been made since the last change"
            raise Refused(
                f"nothing was removed: a full verification {found}; run: outpost migrate verify --full, or add --force "
                "to remove the old data all the same"
            )
        now = datetime.now(UTC)
        applied = [state.applied_at for state in states if state.applied_at is not None]
        if applied and now - max(applied) < _SOAK:
            raise Refused(
                f"nothing was removed: the last migration ({max(applied):%Y-%m-%d %H:%M} UTC) is less than a day old; "
                "run it again later, or now with --force"
            )
        if needing := await self._servers():
            raise Refused(
                f"nothing was removed: servers that need the old data are alive: {', '.join(needing)}; stop them, or "
                "add --force"
            )

    async def _servers(self) -> Sequence[str]:
        """Return the servers that live and read an older form: `{name: "<seconds> <format>"}`, by its clock."""
        key = self._context.keys.presence
        now, present = await asyncio.gather(
            self._context.redis.send("TIME", key=key), self._context.redis.send("HGETALL", key)
        )
        needing: list[str] = []
        for server, text in decoded(present).items():
            seconds, _, form = text.partition(" ")
            recent = seconds.isdigit() and int(now[0]) - int(seconds) < _ALIVE.total_seconds()
            if recent and not (form.isdigit() and int(form) >= READER):
                needing.append(server)
        return sorted(needing)

    async def _ready(self, run: Run, throttle: Throttle) -> None:
        await run.ready()
        for node in await self._context.redis.nodes():
            while throttle.pause(await health(node)):
                await asyncio.sleep(_PAUSE)
                await run.ready()

    async def _migrated(self, found: Sorted) -> Sequence[bytes]:
        """Return the old keys whose records are certainly in their new place, or were deleted from there since."""
        old = old_of(found)
        if not old:
            return []
        names = self._context.names
        worker = worker_for(Task(self._context, "1"))
        there = await asyncio.gather(
            *(self._context.redis.send("EXISTS", names.new_of(named), names.tenant(named.tenant)) for named in old)
        )
        certain: list[bytes] = []
        for named, count in zip(old, there, strict=True):
            if not count:
                continue
            if count < 2:
                done = await worker.one(sorted_one(named))
                if done.odd or done.tally.changed:
                    continue
            certain.append(named.key)
        return certain

    async def _remove(self, run: Run, keys: Sequence[bytes], how: str) -> int:
        run.check()
        sent = [
            self._context.redis.run(
                script("remove"),
                [*self._context.fence_keys, *part],
                [run.fence if self._context.fence_keys else "", how],
            )
            for part in self._parts(keys)
        ]
        return sum(await asyncio.gather(*sent))

    def _parts(self, keys: Sequence[bytes]) -> Sequence[Sequence[bytes]]:
        if not self._context.across:
            return [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
        slots: dict[int, list[bytes]] = {}
        for key in keys:
            slots.setdefault(slot_of(key), []).append(key)
        return list(slots.values())


def _items(old: int, kept: int) -> Sequence[CleanupItem]:
    return [
        CleanupItem(store="redis", what=what, count=count)
        for what, count in ((OLD_KEYS, old), (KEPT_TIMES, kept))
        if count
    ]
