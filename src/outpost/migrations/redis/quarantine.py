"""Records that could not be understood: kept in one hash until a person has decided.

    outpost:migrate:quarantine
        <migration> <key>    {"reason": ..., "digest": ..., "accepted": ..., "at": ...}

They are few, because a run stops early when they become many.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from outpost.clients.redis import Argument
from outpost.codec import format_time
from outpost.migrations.redis.context import Context, shown
from outpost.migrations.redis.failures import translated
from outpost.migrations.redis.reading import Stored, read, stored
from outpost.migrations.redis.scripts import script
from outpost.migrations.report import Quarantined
from outpost.migrations.run import Run

_SECRET = (b"credentials", b"delivery_metadata", b"config", b"metadata")
_LONGEST_SHOWN = 200

REASONS: Mapping[str, str] = {
    "type": "it is not a hash",
    "shape": "its content does not fit its name",
    "large": "it is too large to be a tenant or a destination",
    "time": "created_at or updated_at is no time",
    "entity": "its entity is one that no release wrote",
    "counterpart": "it was deleted after an earlier migration, or was never migrated: nothing tells which",
}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One of them.

    Attributes:
        accepted: Why it may stay as it is.
        confirmed: It is to be migrated, although it looks as if it had been deleted.
        at: When that was decided.
    """

    reason: str
    digest: str
    accepted: str = ""
    confirmed: bool = False
    at: str = ""


Field = tuple[str, bytes]
"""Migration and key."""


class RedisQuarantine:
    """A `Quarantine`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def entries(self) -> Mapping[Field, Entry]:
        found: dict[Field, Entry] = {}
        cursor = b"0"
        while True:
            cursor, flat = await self._context.redis.command(
                "HSCAN", self._context.keys.quarantine, cursor, "COUNT", 500
            )
            for name, text in zip(flat[::2], flat[1::2], strict=True):
                migration, space, key = name.partition(b" ")
                if space:
                    found[migration.decode(), key] = msgspec.json.decode(text, type=Entry)
            if cursor == b"0":
                return found

    async def put(self, run: Run, entries: Mapping[Field, Entry]) -> None:
        pairs: list[Argument] = []
        for (migration, key), entry in entries.items():
            pairs += [_name(migration, key), msgspec.json.encode(entry)]
        if pairs:
            run.check()
            keys = [self._context.keys.quarantine, *self._context.fence_keys]
            await self._context.redis.run(script("remember"), keys, [run.fence, *pairs])

    async def remove(self, run: Run, fields: Sequence[Field]) -> None:
        names: list[Argument] = [_name(migration, key) for migration, key in fields]
        if names:
            run.check()
            keys = [self._context.keys.quarantine, *self._context.fence_keys]
            await self._context.redis.run(script("forget"), keys, [run.fence, *names])

    async def records(self) -> Sequence[Quarantined]:
        with translated():
            found = await self.entries()
        return [
            Quarantined(
                store="redis",
                migration=migration,
                key=shown(key),
                reason=REASONS.get(entry.reason, entry.reason),
                digest=entry.digest,
                accepted=entry.accepted,
            )
            for (migration, key), entry in sorted(found.items())
        ]

    async def show(self, key: str) -> Sequence[str]:
        with translated():
            names = {name for _, name in await self.entries() if shown(name) == key}
            return [line for name in sorted(names) for line in _lines(stored(await read(self._context.redis, name)))]

    async def retry(self, run: Run, keys: Sequence[str]) -> int:
        with translated(run):
            entries = await self._chosen(keys)
            doubtful = {field: entry for field, entry in entries.items() if entry.reason == "counterpart"}
            await self.remove(run, [field for field in entries if field not in doubtful])
            await self.put(
                run,
                {field: msgspec.structs.replace(entry, confirmed=True) for field, entry in doubtful.items()},
            )
        return len(entries)

    async def accept(self, run: Run, keys: Sequence[str], reason: str) -> int:
        with translated(run):
            entries = await self._chosen(keys)
            found = await asyncio.gather(*(read(self._context.redis, key) for _, key in entries))
            now = format_time(datetime.now(UTC).replace(microsecond=0))
            accepted = {
                field: msgspec.structs.replace(entry, accepted=reason, at=now)
                for (field, entry), reply in zip(entries.items(), found, strict=True)
                if stored(reply).digest == entry.digest
            }
            await self.put(run, accepted)
        return len(accepted)

    async def _chosen(self, keys: Sequence[str]) -> Mapping[Field, Entry]:
        return {field: entry for field, entry in (await self.entries()).items() if not keys or shown(field[1]) in keys}


def _name(migration: str, key: bytes) -> bytes:
    return migration.encode() + b" " + key


def _lines(record: Stored) -> Sequence[str]:
    head = [f"type {record.type}, {record.length} fields, {record.size} bytes"]
    if record.ttl >= 0:
        head.append(f"expires in {record.ttl / 1000:.0f} s")
    return head + [f"{shown(name)} = {_value(name, value)}" for name, value in sorted(record.fields.items())]


def _value(name: bytes, value: bytes) -> str:
    if name in _SECRET:
        return f"({len(value)} bytes, not shown)"
    return shown(value[:_LONGEST_SHOWN]) + ("…" if len(value) > _LONGEST_SHOWN else "")
