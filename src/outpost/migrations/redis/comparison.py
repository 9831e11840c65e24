"""Compares migrated records with what they were made from, page by page, and adds up.

Records are read a page at a time; those that do not plainly agree are judged one by one. A new record is read once:
with the old one if that is still there and the pages hold both, else by itself.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from outpost.clients.redis import RedisReplyError
from outpost.migrations.redis.catalogue import MIGRATIONS
from outpost.migrations.redis.compare import Around, agree, essence, is_made_of, judge, kept_differences
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.families import NEW_KINDS, Kind, Named, Sorted, Sorter, meant, old_of
from outpost.migrations.redis.findings import Findings
from outpost.migrations.redis.reading import Stored, exist_many, listed_many, read, read_many, stored


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared.

    Attributes:
        done: The migrations that are recorded as applied.
        ours: The first of them was applied by this tool.
        aside: Keys in quarantine, which are left out.
        whole: The pages hold every record there is.
    """

    done: frozenset[int]
    ours: bool
    aside: frozenset[bytes]
    whole: bool = False


class Comparer(Protocol):
    """Compares pages of keys.

    Attributes:
        findings: Of all pages so far.
    """

    findings: Findings

    async def page(self, keys: Sequence[bytes]) -> None:
        """Compare what lies under keys with what it was made from, or became.

        Raises:
            RedisError: It could not be read.
        """
        ...


class Comparison:
    """A `Comparer`."""

    def __init__(self, context: Context, scope: Scope) -> None:
        self.findings = Findings()
        self._context = context
        self._names = context.names
        self._done = scope.done
        self._ours = scope.ours
        self._aside = scope.aside
        self._both_are_here = scope.whole and 1 in scope.done and not context.keys.prefix
        self._sorter = Sorter(self._names, old=not context.keys.prefix)

    async def page(self, keys: Sequence[bytes]) -> None:
        found = self._sorter.sort(key for key in keys if key not in self._aside)
        for key in found.unclear:
            await self._unclear(found, key)
        if 1 in self._done:
            await self._old(old_of(found))
        await self._new(found)

    async def _unclear(self, found: Sorted, key: bytes) -> None:
        record = await self._read(key)
        named = meant(key, record.fields, self._names, old=not self._context.keys.prefix)
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
        self.findings.copies.compared += len(old)
        names = self._names
        new = list(map(names.new_of, old))
        before, after, listed = await asyncio.gather(
            read_many(self._context, [named.key for named in old]),
            read_many(self._context, new),
            self._listed(old),
        )
        for named, key, old_record, new_record, there in zip(old, new, before, after, listed, strict=True):
            exact = is_made_of(named, old_record, new_record)
            if there and (exact or agree(named, old_record, new_record)):
                self.findings.counterparts += 1
                self.findings.verdicts["equal"] += 1
            else:
                await self._judge(meant(named.key, old_record.fields, names, old=True) or named)
            if self._both_are_here and new_record.exists and named.is_plain and self._are_read_together(named.key, key):
                self._look(key, new_record, NEW_KINDS[named.kind], exact=exact)

    async def _judge(self, named: Named) -> None:
        names, redis = self._names, self._context.redis
        new = names.new_of(named)
        old_record, new_record, tenant, before, now = await asyncio.gather(
            self._read(named.key),
            self._read(new),
            redis.send("EXISTS", names.tenant(named.tenant)),
            _holds(redis.send("HEXISTS", names.old_summary(named.tenant), named.destination)),
            _holds(redis.send("HEXISTS", names.summary(named.tenant), named.destination)),
        )
        self.findings.counterparts += new_record.exists
        around = Around(tenant_exists=bool(tenant), listed_before=before, listed_now=now, ours=self._ours)
        verdict, how = judge(named, old_record, new_record, around)
        if old_record.large and new_record.large and old_record.length == new_record.length:
            verdict, how = "equal", ""
        elif old_record.large and (named.kind is Kind.OLD_SUMMARY or (verdict == "different" and new_record.exists)):
            verdict, how = "changed", ""  # its fields were not read, so they could not be compared
        self.findings.verdicts[verdict] += 1
        if verdict == "different":
            self.findings.copies.differs(new, how)

    async def _new(self, found: Sorted) -> None:
        kinds = {
            **dict.fromkeys(found.tenants, Kind.TENANT),
            **dict.fromkeys(found.destinations, Kind.DESTINATION),
            **dict.fromkeys(found.summaries, Kind.SUMMARY),
        }
        if self._both_are_here:
            kinds = await self._without_old(kinds)
        for (key, kind), record in zip(kinds.items(), await read_many(self._context, list(kinds)), strict=True):
            self._look(key, record, kind)

    async def _without_old(self, kinds: Mapping[bytes, Kind]) -> Mapping[bytes, Kind]:
        """Leave out the records that are read together with their old ones."""
        paired = {
            key: old
            for key in kinds
            if (old := self._names.plain_old_of(key)) is not None and self._are_read_together(old, key)
        }
        there = await exist_many(self._context, list(paired.values()))
        read_with_old = {key for key, is_there in zip(paired, there, strict=True) if is_there}
        return {key: kind for key, kind in kinds.items() if key not in read_with_old}

    def _are_read_together(self, old: bytes, new: bytes) -> bool:
        """Say whether a new record is looked at with its old one, which has a plain name; if not, when met itself."""
        return old not in self._aside and new not in self._aside

    def _look(self, key: bytes, record: Stored, kind: Kind, *, exact: bool = False) -> None:
        """Count a record of the new form in.

        Args:
            exact: It is known to be what the migrations make of its old one.
        """
        self.findings.digest ^= _number(key, essence(record, is_summary=kind is Kind.SUMMARY))
        if kind is Kind.SUMMARY or not record.fields:
            return
        self.findings.times.compared += 2 in self._done
        self.findings.entities.compared += 3 in self._done
        if not exact:
            self._examine(key, record, kind)

    def _examine(self, key: bytes, record: Stored, kind: Kind) -> None:
        """Look for what is wrong with a record of the new form by itself."""
        _, times, entity = MIGRATIONS
        if 2 in self._done:
            if not times.is_done(record.fields, kind):
                self.findings.times.differs(key, "holds a time that is not in milliseconds")
            for how in kept_differences(record.fields):
                self.findings.times.differs(key, how)
        if 3 in self._done and not entity.is_done(record.fields, kind):
            self.findings.entities.differs(key, f"does not say that it is a {kind.value}")

    async def _listed(self, old: Sequence[Named]) -> Sequence[bool]:
        """Say of each destination whether the new summary names it; true of other records."""
        names = self._names
        asked = [
            (names.summary(named.tenant), named.destination) for named in old if named.kind is Kind.OLD_DESTINATION
        ]
        answers = iter(await listed_many(self._context, asked))
        return [named.kind is not Kind.OLD_DESTINATION or next(answers) for named in old]

    async def _read(self, key: bytes) -> Stored:
        return stored(await read(self._context.redis, key))


async def _holds(asked: "asyncio.Future[Any]") -> bool:
    try:
        return bool(await asked)
    except RedisReplyError:  # not a hash
        return False


def _number(key: bytes, essence: bytes) -> int:
    """Return 128 bits that stand for a record; what they add up to does not depend on the order."""
    told = hashlib.blake2b(b"%d:%b%b" % (len(key), key, essence), digest_size=16)
    return int.from_bytes(told.digest(), "big")
