"""The work of a page where all keys are on one server: scripts copy and change records in place."""

import asyncio

from outpost.migrations.redis.calls import Call, calls
from outpost.migrations.redis.families import Sorted
from outpost.migrations.redis.flight import Flight
from outpost.migrations.redis.work import Done, Task


class SingleWorker:
    """A `Worker` for one server."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._flight = Flight()

    async def page(self, found: Sorted, *, batch: int, again: bool) -> Done:
        # One plain command settles most of a later pass: all new keys exist.
        if again and await self._all_there(found):
            found.old_tenants, found.old_destinations, found.old_summaries = [], [], []
        return await self._run(found, batch)

    async def one(self, found: Sorted, *, summary_done: bool = False) -> Done:
        return await self._run(found, 1)

    async def _run(self, found: Sorted, batch: int) -> Done:
        names = self._task.context.names
        done = Done()
        await asyncio.gather(
            *(self._call(call, done) for call in calls(found, names, batch, careful=self._task.careful))
        )
        return done

    async def _call(self, call: Call, done: Done) -> None:
        reply = await self._flight.call(lambda: self._task.upgrade(call))
        self._task.pass_by("redis.batch")
        done.take(reply, call.records)

    async def _all_there(self, found: Sorted) -> bool:
        names = self._task.context.names
        wanted = [
            *(names.tenant(tenant) for _, tenant in found.old_tenants),
            *(names.destination(tenant, destination) for _, tenant, destination in found.old_destinations),
            *(names.summary(tenant) for _, tenant in found.old_summaries),
        ]
        return not wanted or await self._task.context.redis.command("EXISTS", *wanted) == len(wanted)
