"""Compares migrated records with what they were made from, page by page, and adds up.

Scripts compare or reckon digests where the records lie, so that most need not be moved; those that do not agree are
read and judged one by one.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from outpost.clients.redis import Argument, RedisReplyError
from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.compare import TTL_TOLERANCE_MS, Around, Verdict, judge, kept_differences
from outpost.migrations.redis.context import Context, shown
from outpost.migrations.redis.families import Kind, Named, Sorted, Sorter, meant, old_of
from outpost.migrations.redis.reading import Stored, read, stored
from outpost.migrations.redis.scripts import script
from outpost.migrations.report import Check

_BATCH = 100
_TOLD = 20
_DIGEST = 40  # hexadecimal digits


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


async def _holds(asked: "asyncio.Future[Any]") -> bool:
    try:
        return bool(await asked)
    except RedisReplyError:  # not a hash
        return False


def _number(key: bytes, digest: bytes) -> int:
    """Return 128 bits that stand for a record; what they add up to does not depend on the order."""
    return int(digest[:32], 16) ^ _hash(key) if len(digest) == _DIGEST else _hash(key + digest)


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
