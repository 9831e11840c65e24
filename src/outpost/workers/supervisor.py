"""Runs the loops of a process: starts them, starts them again after a fault, tells how they are, ends them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

import msgspec

from outpost.domain.errors import StoreCorrupted

_logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 15.0


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A loop that runs until it is cancelled.

    Attributes:
        names: What health reports call it; several where one loop does the work of several.
        run: Called again, after a growing pause, whenever it ends by itself.
        is_well: Whether it can do its work now, such as reach its broker.
    """

    names: Sequence[str]
    run: Callable[[], Awaitable[None]]
    is_well: Callable[[], bool] = lambda: True


class Supervisor:
    """Owner of all worker loops.

    A worker that fails is started again, for ever: a dependency that is down ends no process. Only damaged data does.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._running: dict[str, bool] = {name: False for worker in workers for name in worker.names}
        self._is_well = {name: worker.is_well for worker in workers for name in worker.names}

    def report(self) -> tuple[bool, Mapping[str, bool]]:
        """Return whether all is well, and for each worker whether it runs now and can work."""
        parts = {name: running and self._can_work(name) for name, running in self._running.items()}
        return all(parts.values()), parts

    def note(self, name: str, *, running: bool) -> None:
        """Report a part that is not a loop, such as the HTTP server."""
        self._running[name] = running

    def _can_work(self, name: str) -> bool:
        return name not in self._is_well or self._is_well[name]()

    async def run(self) -> None:
        """Run all workers until cancelled, which lets each end its work.

        Raises:
            StoreCorrupted: A worker met damaged data; the others have been ended.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(self._keep_running(worker))
        except* StoreCorrupted as errors:
            raise _first(errors) from None

    async def _keep_running(self, worker: Worker) -> None:
        pause = _FIRST_PAUSE
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        while True:
            started = loop.time()
            self._set(worker, running=True)
            try:
                await worker.run()
                _logger.warning("worker ended", extra={"fields": {"worker": worker.names[0]}})
            except (Exception, asyncio.CancelledError) as error:
                if _is_damage(error):
                    raise
                if task.cancelling():  # else it was not the worker that was cancelled, but something it waited for
                    raise
                _logger.exception("worker failed", extra={"fields": {"worker": worker.names[0]}})
            finally:
                self._set(worker, running=False)
            if loop.time() - started > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _set(self, worker: Worker, *, running: bool) -> None:
        for name in worker.names:
            self._running[name] = running


def _is_damage(error: BaseException) -> bool:
    """Say whether a worker met damaged data, itself or in one of several loops of its own."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_damage, cast("BaseExceptionGroup[BaseException]", error).exceptions))
    return isinstance(error, StoreCorrupted)


def _first(errors: BaseExceptionGroup[StoreCorrupted]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
