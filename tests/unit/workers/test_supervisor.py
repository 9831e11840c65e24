"""Workers are started again whatever happens to them, until they are told to end or data is damaged."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from outpost.domain.errors import StoreCorrupted, StoreUnavailable
from outpost.workers import supervisor as module
from outpost.workers.supervisor import Supervisor, Worker


class Scripted:
    """A worker whose runs end as told, and which then stays.

    Attributes:
        stays: Set when it has come to its last run.
    """

    def __init__(self, *ends: BaseException | None) -> None:
        self._ends = list(ends)
        self.runs = 0
        self.stays = asyncio.Event()

    async def run(self) -> None:
        self.runs += 1
        if not self._ends:
            self.stays.set()
            await asyncio.Event().wait()
        end = self._ends.pop(0)
        if end is not None:
            raise end


def _worker(run: Callable[[], Awaitable[None]], *names: str) -> Worker:
    return Worker(names=names or ("loop",), run=run)


@asynccontextmanager
async def _running(supervisor: Supervisor, scripted: Scripted) -> AsyncIterator[None]:
    """Run the supervisor; the body begins when a worker has come to its last run."""
    task = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(5):
            await scripted.stays.wait()
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(
    "end",
    [StoreUnavailable("SQLite", "disk full"), RuntimeError("bug"), None, asyncio.CancelledError()],
    ids=["a dependency is down", "a bug", "it returned", "what it waited for was cancelled"],
)
async def test_a_worker_that_ended_is_started_again(end: BaseException | None) -> None:
    scripted = Scripted(end, end, end)
    supervisor = Supervisor([_worker(scripted.run)])

    async with _running(supervisor, scripted):
        assert scripted.runs == 4
        assert supervisor.report() == (True, {"loop": True})


async def test_the_pause_before_a_new_start_grows_to_a_limit(pauses: list[float]) -> None:
    scripted = Scripted(*[RuntimeError("bug")] * 10)
    async with _running(Supervisor([_worker(scripted.run)]), scripted):
        assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0, 15.0]


async def test_after_a_long_good_run_the_pause_is_short_again(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST_PAUSE", -1.0)  # any run is a long one
    scripted = Scripted(*[RuntimeError("bug")] * 3)
    async with _running(Supervisor([_worker(scripted.run)]), scripted):
        assert pauses == [0.2, 0.2, 0.2]


@pytest.mark.usefixtures("pauses")
async def test_a_failure_is_logged_with_the_workers_name_and_cause(caplog: pytest.LogCaptureFixture) -> None:
    scripted = Scripted(RuntimeError("the cause"), None)
    with caplog.at_level(logging.WARNING):
        async with _running(Supervisor([_worker(scripted.run, "deliveries")]), scripted):
            failed, ended = caplog.records

    assert (failed.message, failed.levelname) == ("worker failed", "ERROR")
    assert vars(failed)["fields"] == {"worker": "deliveries"}
    assert "the cause" in caplog.text
    assert (ended.message, ended.levelname) == ("worker ended", "WARNING")


async def test_a_worker_is_not_well_before_its_start_between_its_runs_and_after_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FIX-25: health says so."""
    scripted = Scripted(RuntimeError("bug"))
    supervisor = Supervisor([_worker(scripted.run, "one", "two")])
    between: list[tuple[bool, object]] = []

    async def look(seconds: float) -> None:
        between.append(supervisor.report())

    assert supervisor.report() == (False, {"one": False, "two": False})
    monkeypatch.setattr(asyncio, "sleep", look)
    async with _running(supervisor, scripted):
        assert between == [(False, {"one": False, "two": False})]
        assert supervisor.report() == (True, {"one": True, "two": True})
    assert supervisor.report() == (False, {"one": False, "two": False})


@pytest.mark.usefixtures("pauses")
async def test_a_worker_that_fails_does_not_disturb_the_others() -> None:
    failing, steady = Scripted(*[RuntimeError("bug")] * 5), Scripted()
    supervisor = Supervisor([_worker(failing.run, "failing"), _worker(steady.run, "steady")])
    async with _running(supervisor, failing):
        assert steady.runs == 1


async def test_damaged_data_ends_all_workers_and_is_raised_itself() -> None:
    ended = asyncio.Event()

    async def steady() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    damage = StoreCorrupted("SQLite", "malformed")
    supervisor = Supervisor([_worker(steady, "steady"), _worker(Scripted(damage).run, "unlucky")])

    with pytest.raises(StoreCorrupted) as caught:
        await supervisor.run()
    assert caught.value is damage
    assert ended.is_set()
    assert supervisor.report() == (False, {"steady": False, "unlucky": False})


async def test_damage_that_two_workers_meet_is_raised_once() -> None:
    met = asyncio.Barrier(2)

    async def meet() -> None:
        await met.wait()
        raise StoreCorrupted("SQLite", "malformed")

    with pytest.raises(StoreCorrupted):
        await Supervisor([_worker(meet, "one"), _worker(meet, "two")]).run()


async def test_damage_that_a_loop_within_a_worker_meets_is_raised() -> None:
    damage = StoreCorrupted("SQLite", "malformed")

    async def two_loops() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(Scripted().run())
            group.create_task(Scripted(damage).run())

    with pytest.raises(StoreCorrupted) as caught:
        await asyncio.wait_for(Supervisor([_worker(two_loops)]).run(), 5)
    assert caught.value is damage


async def test_cancelling_lets_each_worker_end_its_work() -> None:
    started, finished = asyncio.Barrier(3), list[str]()

    async def works(name: str) -> None:
        await started.wait()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            finished.append(name)

    workers = [_worker(lambda name=name: works(name), name) for name in ("one", "two")]
    task = asyncio.create_task(Supervisor(workers).run())
    await started.wait()
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert sorted(finished) == ["one", "two"]


async def test_a_worker_that_fails_while_it_ends_is_not_started_again(pauses: list[float]) -> None:
    started = asyncio.Event()

    async def fails_in_the_end() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("while it ended")

    task = asyncio.create_task(Supervisor([_worker(fails_in_the_end)]).run())
    await started.wait()
    task.cancel()
    results = await asyncio.gather(task, return_exceptions=True)

    assert isinstance(results[0], BaseException)
    assert pauses == []


def test_parts_that_are_no_loops_count_too() -> None:
    supervisor = Supervisor([])
    assert supervisor.report() == (True, {})

    supervisor.note("http-server", running=False)
    assert supervisor.report() == (False, {"http-server": False})
    supervisor.note("http-server", running=True)
    assert supervisor.report() == (True, {"http-server": True})
