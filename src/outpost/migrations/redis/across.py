"""The work of a page in a cluster: an old record and its new key are in different slots, so no script sees both.

    1. read the old record                                 atomic on its server
    2. write the copy, unless there is a new record        atomic on its server
    3. read the old record again: has it changed or gone, remove the copy if it is still the one just written

So a record that vanishes meanwhile does not come back, and a newer one is not overwritten. What changes again and again
is left to the next pass.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from outpost.clients.redis import Argument, slot_of
from outpost.migrations.redis.calls import Call
from outpost.migrations.redis.families import Kind, Named, Sorted, old_of
from outpost.migrations.redis.reading import Stored, read, stored
from outpost.migrations.redis.scripts import script
from outpost.migrations.redis.work import Done, Task, odd_of

_TRIES = 3


class _Seen(msgspec.Struct, frozen=True):
    """An old record as it was read.

    Attributes:
        other: Of a tenant its summary; of a summary the tenant's record.
        listed: The old summary names this destination.
    """

    named: Named
    record: Stored
    other: Stored
    listed: bool
    at: float


class AcrossWorker:
    """A `Worker` for a cluster."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._redis = task.context.redis
        self._names = task.context.names

    async def page(self, found: Sorted, *, batch: int, again: bool) -> Done:
        done = Done()
        old = old_of(found)
        if again:
            old = await self._missing(old)
        copying = asyncio.gather(*(self._copy(part, done) for part in _parts(old, batch)))
        sent = [(call.records, self._task.upgrade(call)) for call in _by_slot(found)]
        for (records, _), reply in zip(sent, await asyncio.gather(*(future for _, future in sent)), strict=True):
            done.take(reply, records)
        await copying
        return done

    async def one(self, found: Sorted, *, summary_done: bool = False) -> Done:
        done = Done()
        old = old_of(found)
        if not old:
            return await self.page(found, batch=1, again=False)
        await self._copy(old, done, summary_done=summary_done)
        return done

    async def _missing(self, old: Sequence[Named]) -> Sequence[Named]:
        there = await asyncio.gather(*(self._redis.send("EXISTS", self._names.new_of(named)) for named in old))
        return [named for named, exists in zip(old, there, strict=True) if not exists]

    async def _copy(self, old: Sequence[Named], done: Done, *, summary_done: bool = False) -> None:
        for _ in range(_TRIES):
            seen = await self._read(old)
            if summary_done:
                seen = [msgspec.structs.replace(each, other=Stored("none")) for each in seen]
            self._task.pass_by("redis.read")
            usable = [each for each in seen if self._usable(each, done)]
            if self._task.run is not None:
                self._task.run.check()  # the last moment: no script sees the fence here
            replies = await asyncio.gather(*(self._adopt(each) for each in usable))
            self._task.pass_by("redis.copied")
            copied = [(each, reply) for each, reply in zip(usable, replies, strict=True) if reply[3] == b"copied"]
            changed = await self._undo_changed(copied) if self._task.run is not None else set[bytes]()
            for each, reply in zip(usable, replies, strict=True):
                if each.named.key not in changed:
                    _take(done, reply)
            old = [each.named for each in usable if each.named.key in changed]
            if not old:
                return
        done.tally.busy += len(old)

    async def _read(self, old: Sequence[Named]) -> Sequence[_Seen]:
        at = time.monotonic()
        records = [read(self._redis, named.key) for named in old]
        others = [read(self._redis, _other(named, self._names)) for named in old]
        listed = [
            self._redis.send("HEXISTS", self._names.old_summary(named.tenant), named.destination)
            for named in old
            if named.kind is Kind.OLD_DESTINATION
        ]
        found = [stored(reply) for reply in await asyncio.gather(*records)]
        beside = [stored(reply) for reply in await asyncio.gather(*others)]
        answers = iter(await asyncio.gather(*listed, return_exceptions=True))  # the summary may be no hash
        return [
            _Seen(named, record, other, named.kind is Kind.OLD_DESTINATION and next(answers) == 1, at)
            for named, record, other in zip(old, found, beside, strict=True)
        ]

    def _usable(self, seen: _Seen, done: Done) -> bool:
        """Say whether a record is what its name says, and take note of those that are not; as upgrade.lua does."""
        named, record = seen.named, seen.record
        told = record.fields.get(b"id")
        if not record.exists:
            done.tally.note(1, "vanished")
        elif record.type != "hash":
            done.odd.append((named.key, 1, "type"))
        elif named.kind is Kind.OLD_SUMMARY:
            if _is_tenant(seen.other, named.tenant):
                return False
            if record.large:
                done.odd.append((named.key, 1, "large"))
            elif told is not None and not told.startswith(b"{"):
                done.odd.append((named.key, 1, "shape"))
            else:
                return True
        elif record.large:
            done.odd.append((named.key, 1, "large"))
        elif told != named.own_id and not (told is None and b"deleted_at" in record.fields):
            done.odd.append((named.key, 1, "shape"))
        elif named.kind is Kind.OLD_TENANT and seen.other.large:
            done.odd.append((named.key, 1, "large summary"))
        else:
            return True
        return False

    def _adopt(self, seen: _Seen) -> asyncio.Future[Any]:
        named, names = seen.named, self._names
        new = names.new_of(named)
        arguments: list[Argument] = [*_arguments(seen.record, seen.at)]
        match named.kind:
            case Kind.OLD_TENANT:
                kind, keys = "tenant", [new, names.summary(named.tenant)]
                if seen.other.type == "hash" and seen.other.fields:
                    arguments += _arguments(seen.other, seen.at)
            case Kind.OLD_DESTINATION:
                kind, keys = "destination", [new, names.tenant(named.tenant), names.summary(named.tenant)]
            case _:
                kind, keys = "summary", [new, names.tenant(named.tenant)]
        head: list[Argument] = [self._task.dry, self._task.told, kind, named.own_id, "1" if seen.listed else "0"]
        # The old key comes last, for scripts to name it.
        return self._redis.run(script("adopt"), keys, [*head, *arguments, named.key])

    async def _undo_changed(self, copied: Sequence[tuple[_Seen, Sequence[Any]]]) -> set[bytes]:
        """Remove copies of records that are not any more what was read; return the old keys."""
        again = await asyncio.gather(*(read(self._redis, seen.named.key) for seen, _ in copied))
        changed = [
            (seen, reply)
            for (seen, reply), now in zip(copied, again, strict=True)
            if stored(now).digest != seen.record.digest
        ]
        undoing: list[asyncio.Future[Any]] = []
        for seen, reply in changed:
            undoing.append(self._redis.run(script("undo"), [self._names.new_of(seen.named)], [reply[4]]))
            if reply[5]:
                undoing.append(self._redis.run(script("undo"), [self._names.summary(seen.named.tenant)], [reply[5]]))
        await asyncio.gather(*undoing)
        return {seen.named.key for seen, _ in changed}


def _take(done: Done, reply: Sequence[Any]) -> None:
    done.took.append((reply[0], 1))
    done.tally.take([*reply[1:3], *reply[6:18]])
    done.odd += odd_of(reply[18:])


def _arguments(record: Stored, read_at: float) -> Sequence[Argument]:
    """Return time to live, number and fields of a record; what has passed since it was read is taken off."""
    ttl = record.ttl
    if ttl >= 0:
        ttl = max(1, ttl - int((time.monotonic() - read_at) * 1000))
    flat = [item for pair in record.fields.items() for item in pair]
    return [ttl, len(flat), *flat]


def _is_tenant(record: Stored, tenant: bytes) -> bool:
    own_id = record.fields.get(b"id")
    return own_id == tenant or (own_id is None and b"deleted_at" in record.fields)


def _other(named: Named, names: Any) -> bytes:
    """Return the key that is read beside an old record; a destination needs none, and reads itself."""
    match named.kind:
        case Kind.OLD_TENANT:
            return names.old_summary(named.tenant)
        case Kind.OLD_SUMMARY:
            return names.old_tenant(named.tenant)
        case _:
            return named.key


def _by_slot(found: Sorted) -> Iterable[Call]:
    slots: dict[int, tuple[list[bytes], list[bytes]]] = {}
    for place, keys in enumerate((found.tenants, found.destinations)):
        for key in keys:
            slots.setdefault(slot_of(key), ([], []))[place].append(key)
    for tenants, destinations in slots.values():
        yield Call([*tenants, *destinations], (0, 0, 0, len(tenants), len(destinations)))


def _parts(old: Sequence[Named], size: int) -> Iterable[Sequence[Named]]:
    for start in range(0, len(old), size):
        yield old[start : start + size]
