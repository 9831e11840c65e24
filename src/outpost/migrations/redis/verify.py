"""Verifies what is recorded as applied: all records, or some chosen at random; the books; the bookkeeping itself."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime

import msgspec

from outpost.clients.redis import RedisReplyError
from outpost.codec import format_time
from outpost.migrations.line import VerifyRequest
from outpost.migrations.redis import survey
from outpost.migrations.redis.books import books_from
from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.compare import Verdict
from outpost.migrations.redis.comparing_processes import ComparingProcesses, Job, processes
from outpost.migrations.redis.comparison import Comparer, Comparison, Scope
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.findings import Findings
from outpost.migrations.redis.node_pass import first_of
from outpost.migrations.redis.quarantine import RedisQuarantine
from outpost.migrations.redis.state import StateStore, state_of
from outpost.migrations.report import Check, MigrationState

_PAGES = 6
"""Compared side by side: the server reads some while others are judged."""

_LARGE = 100_000
"""Keys from which on comparing is worth processes of its own."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """The last full verification, kept with the data.

    Attributes:
        run: That had changed the data last.
    """

    at: datetime
    different: int
    run: str
    digest: str


class Verifier:
    """Verifies the migrations of one deployment."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._states = StateStore(context)
        self._quarantine = RedisQuarantine(context)

    async def verify(self, request: VerifyRequest, states: Sequence[MigrationState]) -> Sequence[Check]:
        scope = await self._scope(whole=request.full)
        async with self._comparer(scope, large=request.full and await self._is_large()) as comparer:
            scale = await self._compare(request, comparer)
        findings = comparer.findings
        checks = [_applied(states), *await self._books()]
        if 1 in scope.done:
            checks.append(self._copies(findings, scale, full=request.full))
        for number, found in ((2, findings.times), (3, findings.entities)):
            if number in scope.done:
                checks.append(found.check(scale))
        if request.full:
            await self._keep(checks, findings)
        return [*checks, *await self._cleaned()]

    async def _compare(self, request: VerifyRequest, comparer: Comparer) -> float:
        """Have all pages compared; return for how many records there are each one compared stands."""
        scale = 1.0
        room = asyncio.Semaphore(_PAGES)
        try:
            async with asyncio.TaskGroup() as group:
                async for keys, each_is_one_of in self._chosen(request, old=not self._context.keys.prefix):
                    scale = each_is_one_of
                    await room.acquire()
                    group.create_task(comparer.page(keys)).add_done_callback(lambda _: room.release())
        except BaseExceptionGroup as errors:
            raise first_of(errors) from None
        return scale

    async def bookkeeping(self) -> Check:
        """Compare what is recorded as applied with a few of the records: releases have recorded it falsely."""
        comparison = Comparison(self._context, await self._scope())
        portion = await survey.first(self._context, 500, old=not self._context.keys.prefix)
        await comparison.page(portion.keys[:1_000])
        findings = comparison.findings
        false: list[str] = []
        if findings.falsely_applied:
            false.append("001_hash_tags is recorded as applied, but no old record has a new one")
        for found, name in ((findings.times, "002_timestamps"), (findings.entities, "003_entity")):
            if found.different:
                false.append(f"{name} is recorded as applied, but {found.differences[0]}")
        names = " ".join(self._context.keys.state(text.partition(" ")[0]) for text in false)
        return Check(
            name="redis: what is recorded as applied",
            compared=findings.copies.compared + findings.times.compared,
            population=portion.population,
            different=len(false),
            differences=false,
            repair=f"redis-cli DEL {names}, then: outpost migrate apply" if false else "",
        )

    async def last_full(self) -> Verified | None:
        """Return the last full verification, if nothing was changed by this tool since."""
        text = (await self._context.hash(self._context.keys.store)).get("verified")
        return msgspec.json.decode(text, type=Verified) if text else None

    async def _chosen(self, request: VerifyRequest, *, old: bool) -> AsyncGenerator[tuple[Sequence[bytes], float]]:
        """Yield keys, and for how many records there are each of them stands: 1 if all are chosen."""
        if request.full:
            async for keys in survey.pages(self._context, old=old):
                yield keys, 1.0
            return
        portion = await survey.sample(self._context, request.sample, seed=request.seed, old=old)
        scale = 1.0 if portion.whole else max(portion.population / max(len(portion.keys), 1), 1.0)
        for start in range(0, len(portion.keys), 1_000):
            yield portion.keys[start : start + 1_000], scale

    def _comparer(self, scope: Scope, *, large: bool) -> AbstractAsyncContextManager[Comparer]:
        context, count = self._context, processes()
        if context.connect is None or not large or count < 2:
            return nullcontext(Comparison(context, scope))
        job = Job(connect=context.connect, keys=context.keys, across=context.across, scope=scope)
        return ComparingProcesses(job, count=count)

    async def _is_large(self) -> bool:
        sizes: list[int] = await asyncio.gather(*(node.send("DBSIZE") for node in await self._context.redis.nodes()))
        return sum(sizes) >= _LARGE

    async def _scope(self, *, whole: bool = False) -> Scope:
        recorded = await self._states.read()
        return Scope(
            done=await self._done(),
            ours=bool(recorded["001_hash_tags"].get("run")),
            aside=frozenset(key for _, key in await self._quarantine.entries()),
            whole=whole,
        )

    async def _done(self) -> frozenset[int]:
        recorded = await self._states.read()
        states = {
            each.number: state_of(each, recorded[each.name], prefix=self._context.keys.prefix) for each in MIGRATIONS
        }
        return frozenset(number for number, state in states.items() if state.state == "applied")

    async def _books(self) -> Sequence[Check]:
        recorded = await self._states.read()
        books = [found for each in MIGRATIONS if (found := books_from(each.name, recorded[each.name])) is not None]
        if not books:
            return []
        wrong = [f"{each.migration} does not balance" for each in books if not each.balanced]
        return [
            Check(
                name="redis: books",
                compared=len(books),
                population=len(books),
                different=len(wrong),
                differences=wrong,
            )
        ]

    def _copies(self, findings: Findings, scale: float, *, full: bool) -> Check:
        counts = findings.verdicts
        words: dict[Verdict, str] = {
            "changed": "changed since",
            "deleted": "deleted since",
            "unknown": "without a new record: deleted since, or never migrated",
        }
        notes = [f"{counts[word]:,} {text}" for word, text in words.items() if counts[word]]
        if full:
            notes.append(f"digest of all new records {findings.digest:032x}")
        if findings.falsely_applied:
            findings.copies.different += counts["unknown"]
            findings.copies.differences.append("no old record has a new one: 001 is recorded as applied, but is not")
        repair = f"redis-cli DEL {self._context.keys.state('001_hash_tags')}, then: outpost migrate apply"
        return findings.copies.check(scale, "; ".join(notes), repair)

    async def _keep(self, checks: Sequence[Check], findings: Findings) -> None:
        """Note the result beside the data, where `cleanup` looks for it; a server that refuses writes keeps none."""
        store = await self._context.hash(self._context.keys.store)
        different = sum(check.different for check in checks)
        verified = Verified(
            at=datetime.now(UTC),
            different=different,
            run=store.get("changed_by", ""),
            digest=f"{findings.digest:032x}",
        )
        # It changes no record, so it needs no lease; it writes as the newest run.
        newest = int(await self._context.redis.command("GET", self._context.keys.fence) or 0)
        fence = max(newest, int(store.get("fence", "0")))
        try:
            await self._context.remember(
                self._context.keys.store, fence, {"verified": msgspec.json.encode(verified).decode()}
            )
        except RedisReplyError:
            return

    async def _cleaned(self) -> Sequence[Check]:
        store = await self._context.hash(self._context.keys.store)
        if not store.get("cleaned_at"):
            return []
        text = store.get("verified_before")
        verified = msgspec.json.decode(text, type=Verified) if text else None
        result = f"; verified in full on {format_time(verified.at)}: {verified.different} differed" if verified else ""
        note = f"the old data was removed on {store['cleaned_at']} and cannot be compared any more{result}"
        return [Check(name="redis: old data", note=note)]


def _applied(states: Sequence[MigrationState]) -> Check:
    missing = [state for state in states if not state.satisfied]
    undecided = any(state.state == "parked" for state in missing)
    repair = "outpost migrate quarantine list, then: outpost migrate apply" if undecided else "outpost migrate apply"
    return Check(
        name="redis: migrations applied",
        compared=len(states),
        population=len(states),
        different=len(missing),
        differences=[f"{state.id} is {state.state}" for state in missing],
        repair=repair if missing else "",
    )
