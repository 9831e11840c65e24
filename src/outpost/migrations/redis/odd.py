"""The records that the scripts left alone, looked at one by one: a few of them can be understood after all."""

from collections.abc import Sequence

import msgspec

from outpost.migrations.redis.families import Kind, Named, Sorted, meanings, meant
from outpost.migrations.redis.large import TooLarge, copy_large
from outpost.migrations.redis.reading import Stored, read, stored
from outpost.migrations.redis.work import Done, LeftAside, Odd, Task, Worker
from outpost.migrations.redis.workers import worker_for


class OddOnes:
    """Decides about odd records and books them."""

    def __init__(self, task: Task, worker: Worker, aside: LeftAside) -> None:
        self._task = task
        self._worker = worker
        self._aside = aside
        self._certain = worker_for(msgspec.structs.replace(task, doubtful=False))

    async def settle(self, done: Done, unclear: Sequence[bytes]) -> None:
        """Work off what is odd about a page, and those of its keys whose names say too little."""
        odd, done.odd = done.odd, []
        for key in unclear:
            await self._by_content(done, key)
        for each in odd:
            await self._one(done, each)

    async def _one(self, done: Done, odd: Odd) -> None:
        key, number, reason = odd
        match reason:
            case "shape":
                await self._by_content(done, key)
            case "large" | "large summary":
                await self._large(done, key, summary=reason == "large summary")
            case "counterpart" if self._aside.confirmed(key):
                await self._by_content(done, key)
            case _:
                self._leave(done, key, number, reason, await self._read(key))

    async def _by_content(self, done: Done, key: bytes) -> None:
        record = await self._read(key)
        names = self._task.context.names
        named = meant(key, record.fields, names, old=self._task.old) if record.type == "hash" else None
        if named is not None:
            sure = self._certain if self._aside.confirmed(key) else self._worker
            again = await sure.one(sorted_one(named))
            for odd in again.odd:
                await self._leave_or_copy(again, odd)
            done.tally.add(again.tally)
            return
        for number in self._numbers(key):
            if not record.exists:
                done.tally.note(number, "vanished")
            else:
                self._leave(done, key, number, "type" if record.type != "hash" else "shape", record)

    async def _leave_or_copy(self, done: Done, odd: Odd) -> None:
        key, number, reason = odd
        if reason.startswith("large"):
            await self._large(done, key, summary=reason == "large summary")
        else:
            self._leave(done, key, number, reason, await self._read(key))

    async def _large(self, done: Done, key: bytes, *, summary: bool) -> None:
        context, run = self._task.context, self._task.run
        named = await self._named(key)
        if named is None:
            self._leave(done, key, 1, "shape", await self._read(key))
            return
        if run is None:
            done.tally.note(1, "migrated")
            return
        source = Named(Kind.OLD_SUMMARY, context.names.old_summary(named.tenant), named.tenant) if summary else named
        new = context.names.new_of(source)
        there = bool(await context.redis.command("EXISTS", new))
        if there and not summary:
            done.tally.note(1, "already")
            return
        try:
            copied = there or await copy_large(context, run, source.key, new)
        except TooLarge:
            self._leave(done, key, 1, "large", await self._read(key))
            return
        if not copied:
            done.tally.busy += 1
        elif summary:
            again = await self._worker.one(sorted_one(named), summary_done=True)
            for odd in again.odd:
                self._leave(again, *odd, await self._read(odd[0]))
            done.tally.add(again.tally)
        else:
            done.tally.note(1, "migrated")

    async def _named(self, key: bytes) -> Named | None:
        """Return what a large record is: its own id tells, and a summary has none."""
        own_id = await self._task.context.redis.command("HGET", key, "id")
        fields = {b"id": own_id} if own_id is not None else {b"": b"{"}
        return meant(key, fields, self._task.context.names, old=True)

    def _numbers(self, key: bytes) -> Sequence[int]:
        """Return the wanted migrations that a key can belong to, by its name."""
        kinds = {named.kind for named in meanings(key, self._task.context.names, old=self._task.old)}
        new = bool(kinds & {Kind.TENANT, Kind.DESTINATION})
        return [
            number
            for number in map(int, self._task.wanted)
            if (new if number > 1 else kinds - {Kind.SUMMARY} and not new)
        ] or [int(self._task.wanted[0])]

    def _leave(self, done: Done, key: bytes, number: int, reason: str, record: Stored) -> None:
        if not record.exists:
            done.tally.note(number, "vanished")
            return
        done.tally.note(number, "quarantined")
        if self._aside.leave(key, number, reason, record.digest):
            done.tally.counts[number].late += 1

    async def _read(self, key: bytes) -> Stored:
        return stored(await read(self._task.context.redis, key))


def sorted_one(named: Named) -> Sorted:
    """Return a page of one record."""
    found = Sorted()
    match named.kind:
        case Kind.OLD_TENANT:
            found.old_tenants.append((named.key, named.tenant))
        case Kind.OLD_SUMMARY:
            found.old_summaries.append((named.key, named.tenant))
        case Kind.OLD_DESTINATION:
            found.old_destinations.append((named.key, named.tenant, named.destination))
        case Kind.TENANT:
            found.tenants.append(named.key)
        case Kind.DESTINATION:
            found.destinations.append(named.key)
        case Kind.SUMMARY:
            found.summaries.append(named.key)
    return found
