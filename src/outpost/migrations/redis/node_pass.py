"""One pass over the keys of one server: pages are read ahead, worked on side by side, and done in order."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from outpost.clients.redis import Node, RedisReplyError, RedisUnavailable, Scan
from outpost.migrations.errors import Refused
from outpost.migrations.failpoints import failpoint
from outpost.migrations.redis.admission import came_back_empty, has_lost_its_keys
from outpost.migrations.redis.aside import Aside
from outpost.migrations.redis.checkpoint import Checkpoint, NodeMark
from outpost.migrations.redis.errors import code_of
from outpost.migrations.redis.failures import TRANSIENT_REPLIES, migration_error
from outpost.migrations.redis.families import Sorter
from outpost.migrations.redis.health import health, population
from outpost.migrations.redis.odd import OddOnes
from outpost.migrations.redis.work import Done, Task, Worker
from outpost.migrations.run import Run
from outpost.migrations.throttle import Throttle

_CHECKPOINT_EVERY = 2.0
_HEALTH_EVERY = 1.0
_PAUSE = 0.25
_PATIENCE = 60.0
_FULL_PATIENCE = 300.0
"""Memory that is full, unlike a replica that is behind, seldom mends itself."""


class Tools(msgspec.Struct, frozen=True):
    """What a pass works with."""

    task: Task
    worker: Worker
    aside: Aside
    checkpoint: Checkpoint
    throttle: Throttle
    progress: Callable[["NodePass"], None]


class _UnderWay(msgspec.Struct, frozen=True):
    """A page that is worked on: where the scan goes on after it, its keys, and the batch it is sent with."""

    cursor: int
    keys: int
    batch: int
    working: asyncio.Task[Done]


class NodePass:
    """The pass over one server.

    Attributes:
        mark: How far it is; its cursor stands behind pages that are all done.
        restarted: It had to begin again, because the server was another one after a while.
        throttled: Why it is held back now.
        checkpoint_at: When the mark was last written; monotonic.
    """

    def __init__(self, node: Node, run: Run, tools: Tools, mark: NodeMark) -> None:
        self.node = node
        self.mark = mark
        self.restarted = False
        self.throttled = ""
        self.checkpoint_at = time.monotonic()
        self.throttle = tools.throttle
        self._run = run
        self._tools = tools
        self._odd = OddOnes(tools.task, tools.worker, tools.aside)
        self._sorter = Sorter(tools.task.context.names, old=tools.task.old)
        self._looked_at = 0.0

    async def finish(self) -> None:
        """Go on until the pass is done.

        Raises:
            CameBackEmpty: It restarted without its keys.
            MigrationError: It cannot go on; what is done is kept, and the mark is written as far as that is possible.
        """
        deadline: float | None = None
        while not self.mark.finished:
            before = self.mark.cursor
            try:
                await self.same_server()
                await self._pages()
            except (RedisUnavailable, RedisReplyError) as error:
                if isinstance(error, RedisReplyError) and code_of(error) not in TRANSIENT_REPLIES:
                    raise migration_error(error, self._run) from error
                now = time.monotonic()
                deadline = now + _PATIENCE if deadline is None or self.mark.cursor != before else deadline
                if now > deadline or self._run.silent:
                    raise migration_error(error, self._run) from error
                self._hold(str(error))
                await asyncio.sleep(_PAUSE)
                self._run.check()
        self._hold("")

    async def write_mark(self) -> None:
        """Write a checkpoint."""
        failpoint("redis.checkpoint")
        await self._tools.aside.write()
        await self._tools.checkpoint.mark(self.node.endpoint, self.mark)
        self.checkpoint_at = time.monotonic()
        self._run.tell("checkpoint", store="redis", node=self.node.endpoint, cursor=str(self.mark.cursor))
        failpoint("redis.checkpointed")

    def forget(self) -> None:
        """Let the next run begin with what is there: a person has been told what is not."""
        self.mark = fresh_mark(self.mark.number)

    async def same_server(self) -> None:
        """Begin the pass again if the server has restarted or another has taken its place: its cursors differ.

        Raises:
            CameBackEmpty: It came back without its keys.
            MigrationError: It came back without the lock of this run.
        """
        known, keys = await asyncio.gather(self.node.run_id(), population(self.node))
        run_id = known or ""
        before = self.mark.population
        again = bool(self.mark.run_id) and self.mark.run_id != run_id
        if again:
            self.restarted = True
            self.mark.cursor = 0
            self.mark.finished = False
            self.mark.keys = 0
        self.mark.run_id, self.mark.population = run_id, keys
        if again:
            if has_lost_its_keys(before, keys):
                raise came_back_empty(self.node.endpoint, before, keys)
            await self._run.confirm()

    async def _pages(self) -> None:
        task = self._tools.task
        match = task.context.names.prefix + (b"tenant:" if task.old else b"tenant:{") + b"*"
        under_way: deque[_UnderWay] = deque()
        try:
            async with asyncio.TaskGroup() as group:
                async for page in Scan(self.node, cursor=self.mark.cursor, match=match):
                    await self._ready()
                    batch = self.throttle.batch
                    working = group.create_task(self._page(page.keys, batch))
                    under_way.append(_UnderWay(page.cursor, len(page.keys), batch, working))
                    while len(under_way) >= self.throttle.pages or (under_way and under_way[0].working.done()):
                        await self._book(under_way.popleft())
                while under_way:
                    await self._book(under_way.popleft())
        except BaseExceptionGroup as errors:
            raise first_of(errors) from None
        # Between two commands the connection may have been opened anew, to a server that began again: then the cursors
        # before it and after it belong to different scans.
        scanned = self.mark.run_id
        await self.same_server()
        if self.mark.run_id == scanned:
            self.mark.finished = True
            await self.write_mark()

    async def _page(self, keys: list[bytes], batch: int) -> Done:
        failpoint("redis.page")
        found = self._sorter.sort(keys)
        if not self._tools.task.looks_at_all(self.mark.number):
            found.tenants, found.destinations, found.old_summaries = [], [], []
        done = await self._tools.worker.page(found, batch=batch, again=self.mark.number > 1)
        if done.odd or found.unclear:
            await self._odd.settle(done, found.unclear)
        return done

    async def _book(self, page: "_UnderWay") -> None:
        done = await page.working
        cursor, batch = page.cursor, page.batch
        self.mark.cursor = cursor
        self.mark.keys += page.keys
        self.mark.present.add(done.tally)
        self.mark.books.add(done.tally if self.mark.number == 1 else done.tally.news())
        self.throttle.observe(
            [microseconds / 1000 for microseconds, _ in done.took],
            batch=batch,
            full=any(records >= batch for _, records in done.took),
            budget_ms=self._run.max_latency_ms,
        )
        if time.monotonic() - self.checkpoint_at > _CHECKPOINT_EVERY and cursor:
            await self.write_mark()
        self._tools.progress(self)

    async def _ready(self) -> None:
        """Wait while a person has paused the run, or the server needs a rest."""
        await self._run.ready()
        if time.monotonic() - self._looked_at < _HEALTH_EVERY:
            return
        full_since: float | None = None
        while reason := self.throttle.pause(state := await health(self.node)):
            now = time.monotonic()
            full_since = (full_since or now) if self.throttle.full(state) else None
            if full_since is not None and now - full_since > _FULL_PATIENCE:
                raise Refused(
                    f"redis {self.node.endpoint}: {reason} for {now - full_since:.0f} s; raise maxmemory, or permit "
                    "more with --max-memory, then run it again; what was done is kept"
                )
            self._hold(reason)
            await asyncio.sleep(_PAUSE)
            await self._run.ready()
        self._looked_at = time.monotonic()
        self._hold("")

    def _hold(self, reason: str) -> None:
        if reason and reason != self.throttled:
            self._run.tell("throttled", store="redis", node=self.node.endpoint, reason=reason)
        self.throttled = reason
        if reason:
            self._tools.progress(self)


_Group = BaseExceptionGroup[BaseException]


def first_of(errors: _Group) -> BaseException:
    """Return the error to tell of several that ended a group: one that cannot be waited out, if there is any."""
    group = cast(Sequence[BaseException], errors.exceptions)
    flat = [first_of(cast(_Group, each)) if isinstance(each, BaseExceptionGroup) else each for each in group]
    return min(flat, key=lambda error: isinstance(error, RedisUnavailable))


def fresh_mark(number: int, earlier: NodeMark | None = None) -> NodeMark:
    """Return the mark of a pass that begins, after the pass that `earlier` is of."""
    if earlier is None:
        return NodeMark(number=number)
    return NodeMark(number=number, run_id=earlier.run_id, population=earlier.population, books=earlier.books)
