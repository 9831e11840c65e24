"""Compares migrated records with what they were made from.

Scripts reckon a digest of each record where it lies, so that most records need not be moved; those whose digests differ
are read and judged one by one.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from outpost.clients.redis import Argument, RedisReplyError
from outpost.codec import format_time
from outpost.migrations.line import VerifyRequest
from outpost.migrations.redis import survey
from outpost.migrations.redis.books import books_from
from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.compare import TTL_TOLERANCE_MS, Around, Verdict, judge, kept_differences
from outpost.migrations.redis.context import Context, shown
from outpost.migrations.redis.families import Kind, Named, Sorted, Sorter, meant
from outpost.migrations.redis.quarantine import RedisQuarantine
from outpost.migrations.redis.reading import Stored, read, stored
from outpost.migrations.redis.scripts import script
from outpost.migrations.redis.state import StateStore, state_of
from outpost.migrations.report import Check, MigrationState

_BATCH = 100
_TOLD = 20
_DIGEST = 40  # hexadecimal digits


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """The last full verification, kept with the data.

    Attributes:
        run: That had changed the data last.
    """

    at: datetime
    different: int
    run: str
    digest: str


@dataclass
class _Found:
    """What comparing has brought to light so far, for one check."""

    name: str
    compared: int = 0
    different: int = 0
    differences: list[str] = field(default_factory=list[str])

    def differs(self, key: bytes, how: str) -> None:
        self.different += 1
        if len(self.differences) < _TOLD:
            self.differences.append(f"{shown(key)} {how}")

    def check(self, population: int, note: str = "", repair: str = "") -> Check:
        return Check(
            name=self.name,
            compared=self.compared,
            population=max(population, self.compared),
            different=self.different,
            differences=self.differences,
            note=note,
            repair=repair if self.different else "",
        )


class _Comparison:
    """Compares keys, page by page, and adds up."""

    def __init__(self, context: Context, *, done: set[int], ours: bool, aside: set[bytes]) -> None:
        self.copies = _Found("redis/001_hash_tags: old records and their new ones")
        self.times = _Found("redis/002_timestamps: times of tenants and destinations")
        self.entities = _Found("redis/003_entity: what records say they are")
        self.verdicts: dict[Verdict, int] = {"equal": 0, "changed": 0, "deleted": 0, "unknown": 0, "different": 0}
        self.counterparts = 0
        self.digest = 0
        self._context = context
        self._done = done
        self._ours = ours
        self._aside = aside
        self._sorter = Sorter(context.names, old=not context.keys.prefix)

    async def page(self, keys: Sequence[bytes]) -> None:
        found = self._sorter.sort(key for key in keys if key not in self._aside)
        for key in found.unclear:
            await self._unclear(found, key)
        if 1 in self._done:
            await self._old(old_of(found))
        await self._new(found)

    async def _unclear(self, found: Sorted, key: bytes) -> None:
        record = await self._read(key)
        named = meant(key, record.fields, self._context.names, old=not self._context.keys.prefix)
        match named:
            case Named(kind=Kind.TENANT):
                found.tenants.append(key)
            case Named(kind=Kind.DESTINATION):
                found.destinations.append(key)
            case Named(kind=Kind.OLD_TENANT):
                found.old_tenants.append((key, named.tenant))
            case Named(kind=Kind.OLD_DESTINATION):
                found.old_destinations.append((key, named.tenant, named.destination))
            case _:
                pass

    async def _old(self, old: Sequence[Named]) -> None:
        self.copies.compared += len(old)
        agree = await (self._agree_across(old) if self._context.across else self._agree(old))
        for named, same in zip(old, agree, strict=True):
            if same:
                self.counterparts += 1
                self.verdicts["equal"] += 1
            else:
                await self._judge(named, self._context.names.new_of(named))

    async def _agree(self, old: Sequence[Named]) -> Sequence[bool]:
        """Say which old records agree with their new ones, compared by a script that sees both."""
        names = self._context.names
        futures: list[asyncio.Future[Any]] = []
        for start in range(0, len(old), _BATCH):
            keys: list[Argument] = []
            arguments: list[Argument] = [TTL_TOLERANCE_MS]
            for named in old[start : start + _BATCH]:
                keys += [named.key, names.new_of(named), names.summary(named.tenant)]
                arguments += ["s" if named.kind is Kind.OLD_SUMMARY else "o", named.destination]
            futures.append(self._context.redis.run(script("pairs"), keys, arguments))
        return [digit == ord("1") for reply in await asyncio.gather(*futures) for digit in reply]

    async def _agree_across(self, old: Sequence[Named]) -> Sequence[bool]:
        """The same by digests, reckoned where each of the two lies."""
        names = self._context.names
        kinds = ["s" if named.kind is Kind.OLD_SUMMARY else "o" for named in old]
        told, listed = await asyncio.gather(
            self._inspect([*(named.key for named in old), *(names.new_of(named) for named in old)], [*kinds, *kinds]),
            self._listed(old),
        )
        return [
            len(first[0]) == _DIGEST
            and first[0] == second[0]
            and (first[1] < 0) == (second[1] < 0)
            and abs(first[1] - second[1]) <= TTL_TOLERANCE_MS
            and there
            for first, second, there in zip(told[: len(old)], told[len(old) :], listed, strict=True)
        ]

    async def _judge(self, named: Named, new: bytes) -> None:
        names, redis = self._context.names, self._context.redis
        old_record, new_record, tenant, before, now = await asyncio.gather(
            self._read(named.key),
            self._read(new),
            redis.send("EXISTS", names.tenant(named.tenant)),
            _holds(redis.send("HEXISTS", names.old_summary(named.tenant), named.destination)),
            _holds(redis.send("HEXISTS", names.summary(named.tenant), named.destination)),
        )
        self.counterparts += new_record.exists
        around = Around(tenant_exists=bool(tenant), listed_before=before, listed_now=now, ours=self._ours)
        verdict, how = judge(named, old_record, new_record, around)
        if old_record.large and new_record.large and old_record.length == new_record.length:
            verdict, how = "equal", ""
        elif named.kind is Kind.OLD_SUMMARY and old_record.large:
            verdict, how = "changed", ""
        if verdict == "different" and meant(named.key, old_record.fields, names, old=True) != named:
            return  # the record is not what its name says, and was not migrated as that
        self.verdicts[verdict] += 1
        if verdict == "different":
            self.copies.differs(new, how)

    async def _new(self, found: Sorted) -> None:
        keys = [*found.tenants, *found.destinations, *found.summaries]
        kinds = ["t"] * len(found.tenants) + ["d"] * len(found.destinations) + ["s"] * len(found.summaries)
        for key, kind, (digest, _, fault) in zip(keys, kinds, await self._inspect(keys, kinds), strict=True):
            self.digest ^= _number(key, digest)
            if kind == "s" or len(digest) != _DIGEST:
                continue
            self.times.compared += 2 in self._done
            self.entities.compared += 3 in self._done
            if fault:
                await self._fault(key, fault.decode(), Kind.TENANT if kind == "t" else Kind.DESTINATION)

    async def _fault(self, key: bytes, fault: str, kind: Kind) -> None:
        record = await self._read(key)
        if not record.exists:
            return
        _, times, entity = MIGRATIONS
        if 2 in self._done:
            if not times.is_done(record.fields, kind):
                self.times.differs(key, "holds a time that is not in milliseconds")
            for how in kept_differences(record.fields):
                self.times.differs(key, how)
        if 3 in self._done and not entity.is_done(record.fields, kind):
            self.entities.differs(key, f"does not say that it is a {kind.value}")

    async def _listed(self, old: Sequence[Named]) -> Sequence[bool]:
        """Say of each destination whether the new summary names it, or the old one did not; true of other records."""
        names, redis = self._context.names, self._context.redis
        asked = [
            redis.send("HEXISTS", names.summary(named.tenant), named.destination)
            if named.kind is Kind.OLD_DESTINATION
            else None
            for named in old
        ]
        return [each is None or await _holds(each) for each in asked]

    async def _inspect(self, keys: Sequence[bytes], kinds: Sequence[str]) -> list[tuple[bytes, int, bytes]]:
        size = 1 if self._context.across else _BATCH
        futures: list[asyncio.Future[Any]] = []
        for start in range(0, len(keys), size):
            arguments: Sequence[Argument] = kinds[start : start + size]
            futures.append(self._context.redis.run(script("inspect"), keys[start : start + size], arguments))
        flat = [item for reply in await asyncio.gather(*futures) for item in reply]
        return list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))

    async def _read(self, key: bytes) -> Stored:
        return stored(await read(self._context.redis, key))


class Verifier:
    """Verifies the migrations of one deployment."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._states = StateStore(context)
        self._quarantine = RedisQuarantine(context)

    async def verify(self, request: VerifyRequest, states: Sequence[MigrationState]) -> Sequence[Check]:
        comparison = await self._comparison()
        old = not self._context.keys.prefix
        population = 0
        async for keys, there in self._chosen(request, old=old):
            population = max(there, population)
            await comparison.page(keys)
        checks = [_applied(states), *await self._books()]
        if 1 in await self._done():
            checks.append(self._copies(comparison, population, full=request.full))
        for number, found in ((2, comparison.times), (3, comparison.entities)):
            if number in await self._done():
                checks.append(found.check(0 if request.full else population))
        if request.full:
            await self._keep(checks, comparison)
        return [*checks, *await self._cleaned()]

    async def bookkeeping(self) -> Check:
        """Compare what is recorded as applied with a few of the records: releases have recorded it falsely."""
        comparison = await self._comparison()
        portion = await survey.first(self._context, 500, old=not self._context.keys.prefix)
        await comparison.page(portion.keys[:1_000])
        false: list[str] = []
        if self._falsely_applied(comparison):
            false.append("001_hash_tags is recorded as applied, but no old record has a new one")
        for found, name in ((comparison.times, "002_timestamps"), (comparison.entities, "003_entity")):
            if found.different:
                false.append(f"{name} is recorded as applied, but {found.differences[0]}")
        names = " ".join(self._context.keys.state(text.partition(" ")[0]) for text in false)
        return Check(
            name="redis: what is recorded as applied",
            compared=comparison.copies.compared + comparison.times.compared,
            population=portion.population,
            different=len(false),
            differences=false,
            repair=f"redis-cli DEL {names}, then: outpost migrate apply" if false else "",
        )

    async def last_full(self) -> Verified | None:
        """Return the last full verification, if nothing was changed by this tool since."""
        text = (await self._context.hash(self._context.keys.store)).get("verified")
        return msgspec.json.decode(text, type=Verified) if text else None

    async def _chosen(self, request: VerifyRequest, *, old: bool) -> AsyncGenerator[tuple[Sequence[bytes], int]]:
        if request.full:
            async for keys in survey.pages(self._context, old=old):
                yield keys, 0
            return
        portion = await survey.sample(self._context, request.sample, seed=request.seed, old=old)
        for start in range(0, len(portion.keys), 1_000):
            yield portion.keys[start : start + 1_000], portion.population

    async def _comparison(self) -> _Comparison:
        recorded = await self._states.read()
        aside = {key for _, key in await self._quarantine.entries()}
        return _Comparison(
            self._context, done=await self._done(), ours=bool(recorded["001_hash_tags"].get("run")), aside=aside
        )

    async def _done(self) -> set[int]:
        recorded = await self._states.read()
        states = {
            each.number: state_of(each, recorded[each.name], prefix=self._context.keys.prefix) for each in MIGRATIONS
        }
        return {number for number, state in states.items() if state.state == "applied"}

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

    def _copies(self, comparison: _Comparison, population: int, *, full: bool) -> Check:
        counts = comparison.verdicts
        words: dict[Verdict, str] = {
            "changed": "changed since",
            "deleted": "deleted since",
            "unknown": "without a new record: deleted since, or never migrated",
        }
        notes = [f"{counts[word]:,} {text}" for word, text in words.items() if counts[word]]
        if full:
            notes.append(f"digest of all new records {comparison.digest:032x}")
        if self._falsely_applied(comparison):
            comparison.copies.different += counts["unknown"]
            comparison.copies.differences.append("no old record has a new one: 001 is recorded as applied, but is not")
        repair = f"redis-cli DEL {self._context.keys.state('001_hash_tags')}, then: outpost migrate apply"
        return comparison.copies.check(0 if full else population, "; ".join(notes), repair)

    def _falsely_applied(self, comparison: _Comparison) -> bool:
        return comparison.verdicts["unknown"] > 0 and comparison.counterparts == 0

    async def _keep(self, checks: Sequence[Check], comparison: _Comparison) -> None:
        """Note the result beside the data, where `cleanup` looks for it; a server that refuses writes keeps none."""
        store = await self._context.hash(self._context.keys.store)
        different = sum(check.different for check in checks)
        verified = Verified(
            at=datetime.now(UTC),
            different=different,
            run=store.get("changed_by", ""),
            digest=f"{comparison.digest:032x}",
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


async def _holds(asked: "asyncio.Future[Any]") -> bool:
    try:
        return bool(await asked)
    except RedisReplyError:  # not a hash
        return False


def _applied(states: Sequence[MigrationState]) -> Check:
    missing = [state.id for state in states if not state.satisfied]
    return Check(
        name="redis: migrations applied",
        compared=len(states),
        population=len(states),
        different=len(missing),
        differences=[f"{id_} is pending" for id_ in missing],
        repair="outpost migrate apply" if missing else "",
    )


def old_of(found: Sorted) -> Sequence[Named]:
    """Return the records of the old form in a page."""
    return [
        *(Named(Kind.OLD_TENANT, key, tenant) for key, tenant in found.old_tenants),
        *(Named(Kind.OLD_DESTINATION, key, tenant, each) for key, tenant, each in found.old_destinations),
        *(Named(Kind.OLD_SUMMARY, key, tenant) for key, tenant in found.old_summaries),
    ]


def _number(key: bytes, digest: bytes) -> int:
    """Return 128 bits that stand for a record; what they add up to does not depend on the order."""
    return int(digest[:32], 16) ^ _hash(key) if len(digest) == _DIGEST else _hash(key + digest)


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
