"""Passes over all servers until one of them finds nothing to do."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from outpost.clients.redis import Node, RedisReplyError, RedisUnavailable
from outpost.migrations.errors import MigrationError
from outpost.migrations.redis.admission import CameBackEmpty
from outpost.migrations.redis.aside import Aside
from outpost.migrations.redis.books import Tally, imbalance
from outpost.migrations.redis.checkpoint import Checkpoint, NodeMark, PassPlan
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.node_pass import NodePass, Tools, first_of, fresh_mark
from outpost.migrations.redis.work import Task
from outpost.migrations.redis.workers import worker_for
from outpost.migrations.report import Progress
from outpost.migrations.run import Run
from outpost.migrations.throttle import Throttle

_REPORT_EVERY = 0.5


class Upgrade:
    """One or more migrations, fused, on every record. What it has done lies in `books`."""

    def __init__(
        self, context: Context, run: Run, names: list[str], *, wanted: str, aside: Aside, doubtful: bool, careful: bool
    ) -> None:
        """Prepare.

        Args:
            names: Of the migrations.
            wanted: Their numbers, and those of later ones that new records need too.
            doubtful, careful: See `Task`.
        """
        self._context = context
        self._run = run
        self._names = names
        self._task = Task(context, wanted, run, doubtful=doubtful, careful=careful)
        self._worker = worker_for(self._task)
        self._aside = aside
        self._checkpoint = Checkpoint(context, run)
        self._passes: list[NodePass] = []
        self._absent = Tally()  # books of servers that are no longer there
        self._started = time.monotonic()
        self._reported = 0.0
        self._earlier = 0  # keys that an earlier run has looked at in this pass

    @property
    def books(self) -> Tally:
        books = Tally()
        books.add(self._absent)
        for each in self._passes:
            books.add(each.mark.books)
        return books

    async def complete(self) -> None:
        """Work until a whole pass finds nothing to do, while servers and their keys stayed where they are.

        Raises:
            MigrationError: It stopped before; the checkpoint says where.
        """
        plan, marks = await self._checkpoint.load()
        if plan is None or plan.migrations != self._names:
            plan, marks = PassPlan(migrations=self._names), dict[str, NodeMark]()
        resumed = bool(marks)
        while True:
            nodes = await self._context.redis.nodes()
            topology = self._context.redis.topology.digest
            if plan.topology != topology:
                plan = PassPlan(migrations=self._names, number=plan.number, topology=topology, disturbed=resumed)
            await self._checkpoint.begin(plan)
            self._aside.begin_pass(resumed=resumed)
            settled = await self._one_pass(plan, nodes, marks)
            if settled:
                return
            marks = {each.node.endpoint: each.mark for each in self._passes}
            plan = PassPlan(migrations=self._names, number=plan.number + 1, topology=topology)
            resumed = False

    async def clear(self) -> None:
        await self._checkpoint.clear()

    async def keep(self) -> None:
        """Write how far every server is, because the run ends now."""
        for each in self._passes:
            if not each.mark.finished:
                await each.write_mark()

    async def _one_pass(self, plan: PassPlan, nodes: Sequence[Node], marks: Mapping[str, NodeMark]) -> bool:
        """Do one pass; say whether it proves that nothing is left to do."""
        self._passes = [self._node_pass(plan, node, marks.get(node.endpoint)) for node in nodes]
        there = {node.endpoint for node in nodes}
        for endpoint, mark in marks.items():
            if endpoint not in there:
                self._absent.add(mark.books)
        self._earlier = sum(each.mark.keys for each in self._passes)
        self._started = time.monotonic()
        try:
            await self._look_at_servers()
            async with asyncio.TaskGroup() as group:
                for each in self._passes:
                    group.create_task(each.finish())
        except BaseExceptionGroup as errors:
            error = first_of(errors)
            for each in self._passes:
                if isinstance(error, CameBackEmpty) and error.endpoint == each.node.endpoint:
                    each.forget()
            raise error from None
        present = Tally()
        for each in self._passes:
            present.add(each.mark.present)
        if wrong := imbalance(present):
            raise MigrationError(f"the books of redis do not balance: {wrong}; what was done is kept, run it again")
        await self._context.redis.nodes()  # asks anew who has what
        moved = self._context.redis.topology.digest != plan.topology
        disturbed = plan.disturbed or moved or any(each.restarted for each in self._passes)
        return not present.changed and not disturbed and self._task.looks_at_all(plan.number)

    async def _look_at_servers(self) -> None:
        """Look at all servers before anything is written to one: one may have come back empty since the last run.

        Raises:
            BaseExceptionGroup: With why the run cannot go on; what can be waited for is left to the passes.
        """
        looked = await asyncio.gather(*(each.same_server() for each in self._passes), return_exceptions=True)
        transient = (RedisUnavailable, RedisReplyError)
        errors = [each for each in looked if isinstance(each, BaseException) and not isinstance(each, transient)]
        if errors:
            raise BaseExceptionGroup("the servers are not as they were", errors)

    def _node_pass(self, plan: PassPlan, node: Node, mark: NodeMark | None) -> NodePass:
        if mark is None:
            mark = fresh_mark(plan.number)
        elif mark.number != plan.number:
            mark = fresh_mark(plan.number, mark)
        throttle = Throttle(self._run.limits)
        tools = Tools(self._task, self._worker, self._aside, self._checkpoint, throttle, self._progress)
        return NodePass(node, self._run, tools, mark)

    def _progress(self, told: NodePass) -> None:
        now = time.monotonic()
        if now - self._reported < _REPORT_EVERY and not told.throttled:
            return
        self._reported = now
        done = sum(each.mark.keys for each in self._passes)
        self._run.report(
            Progress(
                store="redis",
                migration="+".join(name.partition("_")[0] for name in self._names),
                done=done,
                total=max(sum(each.mark.population for each in self._passes), done),
                per_second=(done - self._earlier) / max(now - self._started, 0.001),
                batch=told.throttle.batch,
                server_ms=told.throttle.server_ms,
                throttled=next((each.throttled for each in self._passes if each.throttled), ""),
                checkpoint_age_seconds=now - min(each.checkpoint_at for each in self._passes),
            )
        )
