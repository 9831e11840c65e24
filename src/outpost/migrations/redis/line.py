"""The line of Redis migrations.

`apply` runs before every start of a server and mostly has nothing to do, so what a command works with is imported by
the command: most of the time of such a run is the imports.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from outpost.clients.redis import RedisError, RedisReplyError
from outpost.migrations.lease import LeaseStore
from outpost.migrations.line import VerifyRequest
from outpost.migrations.redis.books import books_from
from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.errors import code_of
from outpost.migrations.redis.failures import migration_error, translated
from outpost.migrations.redis.history import History
from outpost.migrations.redis.migration import Migration
from outpost.migrations.redis.quarantine import RedisQuarantine
from outpost.migrations.redis.sealed import Opens, opens_sample
from outpost.migrations.redis.state import StateStore, state_of
from outpost.migrations.report import (
    Check,
    CleanupItem,
    Family,
    Holder,
    LineStatus,
    MigrationState,
    PlannedStep,
    RunRecord,
)
from outpost.migrations.run import Run

if TYPE_CHECKING:
    from outpost.migrations.redis.cleanup import Cleanup
    from outpost.migrations.redis.plan import Planner
    from outpost.migrations.redis.verify import Verifier

_T = TypeVar("_T")


class RedisLine:
    """A `Line` over one Redis, single or a cluster, and one deployment in it."""

    name = "redis"
    family: Family = "redis"

    def __init__(
        self,
        context: Context,
        *,
        target: str,
        lease: LeaseStore | None,
        close: Callable[[], Awaitable[None]],
        opens: Opens | None = None,
    ) -> None:
        """Make a line; nothing is opened.

        Args:
            target: Which Redis, for people.
            close: Closes the connections.
            opens: Says whether the configured secret opens a sealed value; None without a secret.
        """
        self.target = target
        self.lease = lease
        self.quarantine = RedisQuarantine(context)
        self._context = context
        self._close = close
        self._opens = opens
        self._states = StateStore(context)
        self._history = History(context)

    async def states(self) -> Sequence[MigrationState]:
        with translated():
            recorded, unprefixed, holder = await asyncio.gather(
                self._states.read(), self._states.unprefixed(), self._holder()
            )
        return [
            state_of(
                each,
                recorded[each.name],
                prefix=self._context.keys.prefix,
                running=holder.run if holder is not None and holder.alive else "",
                note="recorded as done without the deployment's prefix, which does not say for which deployment"
                if each.name in unprefixed
                else "",
            )
            for each in MIGRATIONS
        ]

    async def _holder(self) -> Holder | None:
        return await self.lease.holder() if self.lease is not None else None

    async def status(self) -> LineStatus:
        with translated():
            recorded = await self._states.read()
            left = await self.quarantine.entries()
            preserved = await self._cleanup().preserved(recorded)
            last_run = await self._history.last()
        books = [books_from(each.name, recorded[each.name]) for each in MIGRATIONS]
        return LineStatus(
            line=self.name,
            family=self.family,
            target=self.target,
            migrations=await self.states(),
            holder=await self._holder(),
            books=[each for each in books if each is not None],
            quarantined=sum(not entry.accepted for entry in left.values()),
            preserved=preserved,
            last_run=last_run,
        )

    async def plan(self, *, quick: bool) -> Sequence[PlannedStep]:
        pending = await self._pending()
        with translated():
            return await self._planner().steps(pending, quick=quick)

    async def preflight(self) -> Sequence[Check]:
        with translated():
            fitness = await self._fitness(await self._pending())
            return [*fitness, *await _if_permitted(self._bookkeeping(), otherwise=())]

    async def apply(self, run: Run, *, until: str | None) -> Sequence[MigrationState]:
        from outpost.migrations.redis.apply import Applier
        from outpost.migrations.redis.preflight import refuse_unfit

        with translated(run):
            if pending := await self._pending():  # another run may have ended before this one
                refuse_unfit(await self._fitness(pending))
            applied = await Applier(self._context, run).apply(until)
        return [state for state in await self.states() if state.id.partition("/")[2] in applied]

    async def _pending(self) -> Sequence[Migration]:
        return [each for each, state in zip(MIGRATIONS, await self.states(), strict=True) if not state.satisfied]

    async def _fitness(self, pending: Sequence[Migration]) -> Sequence[Check]:
        from outpost.migrations.redis.preflight import Need, preflight

        need = Need(
            growth_bytes=await _if_permitted(self._planner().growth(pending), otherwise=0),
            scratch_key=self._context.keys.probe,
            opens_sample=await _if_permitted(opens_sample(self._context, self._opens), otherwise=None),
        )
        return await preflight(self._context.redis, need)

    async def _bookkeeping(self) -> Sequence[Check]:
        return [await self._verifier().bookkeeping()]

    async def verify(self, request: VerifyRequest) -> Sequence[Check]:
        with translated():
            return await self._verifier().verify(request, await self.states())

    async def cleanup_plan(self) -> Sequence[CleanupItem]:
        with translated():
            return await self._cleanup().plan()

    async def cleanup(self, run: Run, *, force: bool) -> Sequence[CleanupItem]:
        with translated(run):
            return await self._cleanup().remove(run, await self.states(), force=force)

    async def history(self) -> Sequence[RunRecord]:
        with translated():
            return await self._history.runs()

    async def record(self, run: RunRecord) -> None:
        try:
            await self._history.append(run)
        except RedisError as error:
            raise migration_error(error) from error

    async def close(self) -> None:
        await self._close()

    def _planner(self) -> "Planner":
        from outpost.migrations.redis.plan import Planner

        return Planner(self._context)

    def _verifier(self) -> "Verifier":
        from outpost.migrations.redis.verify import Verifier

        return Verifier(self._context)

    def _cleanup(self) -> "Cleanup":
        from outpost.migrations.redis.cleanup import Cleanup

        return Cleanup(self._context, self._verifier())


async def _if_permitted(work: Awaitable[_T], *, otherwise: _T) -> _T:
    """Return what `work` finds, or `otherwise` where the user may not look: what is missing is a finding of its own."""
    try:
        return await work
    except RedisReplyError as error:
        if code_of(error) != "NOPERM":
            raise
        return otherwise
