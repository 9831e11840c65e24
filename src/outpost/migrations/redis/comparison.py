"""Compares migrated records with what they were made from, page by page, and adds up.

Records are read a page at a time; those that do not plainly agree are judged one by one.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from outpost.clients.redis import RedisReplyError
from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.compare import Around, Verdict, agree, essence, judge, kept_differences
from outpost.migrations.redis.context import Context, shown
from outpost.migrations.redis.families import Kind, Named, Sorted, Sorter, meant, old_of
from outpost.migrations.redis.reading import Stored, read, read_many, stored
from outpost.migrations.report import Check

_TOLD = 20


@dataclass
class Found:
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


class Comparison:
    """Compares keys, page by page, and adds up."""

    def __init__(self, context: Context, *, done: set[int], ours: bool, aside: set[bytes]) -> None:
        self.copies = Found("redis/001_hash_tags: old records and their new ones")
        self.times = Found("redis/002_timestamps: times of tenants and destinations")
        self.entities = Found("redis/003_entity: what records say they are")
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
        names = self._context.names
        before, after, listed = await asyncio.gather(
            read_many(self._context, [named.key for named in old]),
            read_many(self._context, [names.new_of(named) for named in old]),
            self._listed(old),
        )
        for named, old_record, new_record, there in zip(old, before, after, listed, strict=True):
            if there and agree(named, old_record, new_record):
                self.counterparts += 1
                self.verdicts["equal"] += 1
            else:
                await self._judge(named, names.new_of(named))

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
        kinds = {
            **dict.fromkeys(found.tenants, Kind.TENANT),
            **dict.fromkeys(found.destinations, Kind.DESTINATION),
            **dict.fromkeys(found.summaries, Kind.SUMMARY),
        }
        for (key, kind), record in zip(kinds.items(), await read_many(self._context, list(kinds)), strict=True):
            is_summary = kind is Kind.SUMMARY
            self.digest ^= _number(key, essence(record, is_summary=is_summary))
            if not is_summary and record.fields:
                self._look(key, record, kind)

    def _look(self, key: bytes, record: Stored, kind: Kind) -> None:
        """Look for what is wrong with a record of the new form by itself."""
        _, times, entity = MIGRATIONS
        if 2 in self._done:
            self.times.compared += 1
            if not times.is_done(record.fields, kind):
                self.times.differs(key, "holds a time that is not in milliseconds")
            for how in kept_differences(record.fields):
                self.times.differs(key, how)
        if 3 in self._done:
            self.entities.compared += 1
            if not entity.is_done(record.fields, kind):
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

    async def _read(self, key: bytes) -> Stored:
        return stored(await read(self._context.redis, key))


async def _holds(asked: "asyncio.Future[Any]") -> bool:
    try:
        return bool(await asked)
    except RedisReplyError:  # not a hash
        return False


def _number(key: bytes, essence: bytes) -> int:
    """Return 128 bits that stand for a record; what they add up to does not depend on the order."""
    return int.from_bytes(essence, "big") ^ int.from_bytes(hashlib.blake2b(key, digest_size=16).digest(), "big")
