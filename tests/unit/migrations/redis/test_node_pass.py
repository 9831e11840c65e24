"""A pass over a server notices that it is another one by now, also when no command has failed."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from outpost.migrations.errors import LeaseLost
from outpost.migrations.redis.admission import CameBackEmpty
from outpost.migrations.redis.checkpoint import NodeMark
from outpost.migrations.redis.context import Context
from outpost.migrations.redis.keys import ToolKeys
from outpost.migrations.redis.node_pass import NodePass, Tools
from outpost.migrations.redis.work import Done, Task
from outpost.migrations.run import Limits
from outpost.migrations.throttle import Throttle


class Server:
    """A node without records of ours.

    Attributes:
        runs: Its names for its runs, as it is asked; the last one stays.
        keys: How many it holds, likewise.
        scans: How often it was scanned from the start.
    """

    endpoint = "here:1"

    def __init__(self, runs: Sequence[str], keys: Sequence[int] = (1_000,)) -> None:
        self.runs = list(runs)
        self.keys = list(keys)
        self.scans = 0

    async def run_id(self) -> str:
        return self.runs.pop(0) if len(self.runs) > 1 else self.runs[0]

    async def command(self, name: str, *_: object) -> Any:
        if name == "DBSIZE":
            return self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]
        return b""

    def send(self, *command: object) -> asyncio.Future[Any]:
        assert command[:2] == ("SCAN", 0)
        self.scans += 1
        page: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        page.set_result((b"0", []))
        return page


class Worker:
    async def page(self, found: object, *, batch: int, again: bool) -> Done:
        return Done()


class Running:
    """A run; `lost` says that it does not hold its lock any more."""

    silent = False
    max_latency_ms = 5.0

    def __init__(self, *, lost: bool = False) -> None:
        self.confirmed = 0
        self._lost = lost

    async def ready(self) -> None: ...

    async def confirm(self) -> None:
        self.confirmed += 1
        if self._lost:
            raise LeaseLost("gone")

    def check(self) -> None: ...

    def tell(self, event: str, **fields: object) -> None: ...


def _a_pass(server: Server, run: Running, mark: NodeMark | None = None) -> NodePass:
    async def nothing(*_: object) -> None: ...

    context = Context(cast(Any, None), ToolKeys(), across=False)
    tools = Tools(
        Task(context, "123", cast(Any, run)),
        cast(Any, Worker()),
        cast(Any, SimpleNamespace(write=nothing)),
        cast(Any, SimpleNamespace(mark=nothing)),
        Throttle(Limits()),
        lambda _: None,
    )
    return NodePass(cast(Any, server), cast(Any, run), tools, mark or NodeMark())


async def test_a_server_that_stays_is_scanned_once() -> None:
    server, run = Server(["a"]), Running()

    each = _a_pass(server, run)
    await each.finish()

    assert (server.scans, each.restarted, run.confirmed) == (1, False, 0)


async def test_a_server_that_restarted_during_the_scan_is_scanned_again() -> None:
    server, run = Server(["a", "b"]), Running()

    each = _a_pass(server, run)
    await each.finish()

    assert (server.scans, each.restarted, run.confirmed) == (2, True, 1)


async def test_a_cursor_of_another_run_of_the_server_is_not_gone_on_with() -> None:
    server, run = Server(["b"]), Running()

    each = _a_pass(server, run, NodeMark(run_id="a", cursor=77, keys=500, population=1_000))
    await each.finish()

    assert (server.scans, each.restarted, each.mark.run_id) == (1, True, "b")


async def test_a_server_that_came_back_without_the_lock_ends_the_run() -> None:
    with pytest.raises(LeaseLost):
        await _a_pass(Server(["a", "b"]), Running(lost=True)).finish()


async def test_a_server_that_came_back_without_its_keys_is_told_once() -> None:
    server = Server(["a", "b"], [1_000, 3])
    each = _a_pass(server, Running())

    with pytest.raises(CameBackEmpty, match=r"it held 1,000 keys and holds 3; restore its backup"):
        await each.finish()

    await _a_pass(server, Running(), each.mark).finish()  # the next run goes on with what is there
