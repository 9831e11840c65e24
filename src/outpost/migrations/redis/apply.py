"""Applies pending migrations: what belongs together in one go, in order, until one must wait for a person."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from outpost.migrations.errors import DecisionNeeded
from outpost.migrations.failpoints import failpoint
from outpost.migrations.redis import survey
from outpost.migrations.redis.aside import Aside
from outpost.migrations.redis.books import Tally
from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.migration import Migration
from outpost.migrations.redis.quarantine import RedisQuarantine
from outpost.migrations.redis.state import Recorded, StateStore, state_of
from outpost.migrations.redis.upgrade import Upgrade
from outpost.migrations.run import Run


class Applier:
    """Applies what is pending, for one run."""

    def __init__(self, context: Context, run: Run) -> None:
        self._context = context
        self._run = run
        self._states = StateStore(context)
        self._quarantine = RedisQuarantine(context)

    async def apply(self, until: str | None) -> Sequence[str]:
        """Return the names of those that are applied now and were not before."""
        recorded = await self._states.read()
        pending: list[Migration] = []
        done: list[str] = []
        for migration in MIGRATIONS:
            reason = migration.inapplicable(self._context.keys.prefix)
            if not self._satisfied(migration, recorded):
                pending.append(migration)
            elif reason and not recorded[migration.name].get("status"):
                await self._states.inapplicable(self._run, migration, reason)
            if until in (migration.name, f"redis/{migration.name}"):
                break
        groups = [pending] if self._run.limits.fuse and pending else [[each] for each in pending]
        for group in groups:
            done += await self._group(group, recorded)
        return done

    def _satisfied(self, migration: Migration, recorded: Mapping[str, Recorded]) -> bool:
        return state_of(migration, recorded[migration.name], prefix=self._context.keys.prefix).satisfied

    async def _group(self, group: Sequence[Migration], recorded: Mapping[str, Recorded]) -> Sequence[str]:
        run = self._run
        for migration in group:
            run.tell("step_started", store="redis", migration=migration.name)
        started = time.monotonic()
        doubtful = self._doubtful(group, recorded)
        await self._states.began(run, group, doubtful=doubtful)
        failpoint("redis.began")
        left_aside, careful = await asyncio.gather(self._quarantine.entries(), survey.has_new(self._context))
        aside = Aside(self._quarantine, run, left_aside)
        upgrade = Upgrade(
            self._context,
            run,
            [each.name for each in group],
            wanted=self._wanted(group, recorded),
            aside=aside,
            doubtful=doubtful,
            careful=careful,
        )
        try:
            await upgrade.complete()
        except BaseException as error:
            await self._stopped(group, upgrade, aside, error)
            raise
        failpoint("redis.complete")
        names = {each.name for each in group}
        return await self._conclude(group, upgrade, await aside.settle(names), started)

    def _wanted(self, group: Sequence[Migration], recorded: Mapping[str, Recorded]) -> str:
        """Return the numbers of a group, and of later ones that are done: they must see what an earlier one makes."""
        numbers = {each.number for each in group}
        first = min(numbers)
        numbers |= {each.number for each in MIGRATIONS if each.number > first and self._satisfied(each, recorded)}
        return "".join(str(number) for number in sorted(numbers))

    def _doubtful(self, group: Sequence[Migration], recorded: Mapping[str, Recorded]) -> bool:
        """Say whether 001 must have been applied before, although that is not recorded any more.

        No release applied a later one without it. So an old record without a new one may have been deleted since.
        """
        first = MIGRATIONS[0]
        if first not in group:
            return False
        decided = recorded[first.name].get("doubtful")  # by the run that began it, before it left traces of its own
        if decided:
            return decided == "yes"
        return any(recorded[each.name].get("status") in ("applied", "not_applicable") for each in MIGRATIONS[1:])

    async def _stopped(self, group: Sequence[Migration], upgrade: Upgrade, aside: Aside, error: BaseException) -> None:
        """Keep what is known of the progress, if the run may still write; the error that ended it matters more."""
        try:
            await aside.write()
            await upgrade.keep()
            parked = isinstance(error, DecisionNeeded)
            detail = "too many records could not be understood" if parked else "a run ended before it was complete"
            await self._states.stopped(self._run, group, "parked" if parked else "incomplete", detail, upgrade.books)
        except Exception as later:
            self._run.tell("warning", store="redis", reason=f"the end of the run could not be noted: {later}")

    async def _conclude(
        self, group: Sequence[Migration], upgrade: Upgrade, left: Mapping[str, int], started: float
    ) -> Sequence[str]:
        """Record as applied what nothing is left of; a later migration waits for an earlier one."""
        await self._run.confirm()  # a server that was emptied holds nothing to do either, and no lock
        books = upgrade.books
        milliseconds = int((time.monotonic() - started) * 1000)
        applied: list[str] = []
        waiting_for = ""
        for migration in group:
            count = left.get(migration.name, 0)
            if count or waiting_for:
                detail = f"{_records(count)} left aside, for a decision" if count else f"waits for {waiting_for}"
                await self._states.stopped(self._run, [migration], "parked", detail, books)
                waiting_for = waiting_for or migration.name
                continue
            await self._states.applied(self._run, migration, milliseconds, books)
            failpoint("redis.applied")
            self._run.tell("step_applied", store="redis", migration=migration.name, duration_ms=milliseconds)
            applied.append(migration.name)
        await self._note_change(books)
        await upgrade.clear()
        failpoint("redis.cleared")
        if waiting_for:
            total = sum(left.values())
            raise DecisionNeeded(
                f"{_records(total)} of redis could not be understood and stayed untouched; everything else is done. "
                "See: outpost migrate quarantine list, then retry or accept them and run: outpost migrate apply"
            )
        return applied

    async def _note_change(self, books: Tally) -> None:
        """Tell `cleanup` that a verification made before this is not one of what lies there now."""
        if books.changed:
            await self._context.remember(
                self._context.keys.store, self._run.fence, {"changed_by": self._run.owner.run, "verified": ""}
            )


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count:,} records"
