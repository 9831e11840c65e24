"""The work of a page where all keys are on one server: scripts copy and change records in place."""

import asyncio

from outpost.migrations.redis.calls import calls
from outpost.migrations.redis.families import Sorted
from outpost.migrations.redis.work import Done, Task


class SingleWorker:
    """A `Worker` for one server."""

    def __init__(self, task: Task) -> None:
        self._task = task

    async def page(self, found: Sorted, *, batch: int, again: bool) -> Done:
        # One plain command settles most of a later pass: all new keys exist.
        if again and await self._all_there(found):
            found.old_tenants, found.old_destinations, found.old_summaries = [], [], []
        return await self._run(found, batch)

    async def one(self, found: Sorted, *, summary_done: bool = False) -> Done:
        return await self._run(found, 1)

    async def _run(self, found: Sorted, batch: int) -> Done:
        names = self._task.context.names
        sent = [
            (call.records, self._task.upgrade(call)) for call in calls(found, names, batch, careful=self._task.careful)
        ]
        done = Done()
        for (records, _), reply in zip(sent, await asyncio.gather(*(future for _, future in sent)), strict=True):
            self._task.pass_by("redis.batch")
            done.take(reply, records)
        return done

    async def _all_there(self, found: Sorted) -> bool:
        names = self._task.context.names
        wanted = [
            *(names.tenant(tenant) for _, tenant in found.old_tenants),
            *(names.destination(tenant, destination) for _, tenant, destination in found.old_destinations),
            *(names.summary(tenant) for _, tenant in found.old_summaries),
        ]
        return not wanted or await self._task.context.redis.command("EXISTS", *wanted) == len(wanted)
