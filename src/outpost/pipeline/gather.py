"""Gather what one tick of the event loop produced, and handle it together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Gatherer(Generic[T, R]):
    """Turns single items into calls that take many.

    Items submitted in one tick go into one call; the next tick's items go into another, which does not wait for the
    first. Nothing waits on a timer, so a lone item is handled at once. Use `async with`: leaving it waits for the
    calls that run.
    """

    def __init__(self, handle_many: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]) -> None:
        """Args:
        handle_many: Returns one result or exception for each item, in order; what it raises, all items raise.
        """
        self._handle_many = handle_many
        self._items: list[T] = []
        self._futures: list[asyncio.Future[R]] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Gatherer[T, R]":
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._items:
            self._start_call()
        while self._calls:
            await asyncio.wait(self._calls)

    def submit(self, item: T) -> "asyncio.Future[R]":
        """Hand in one item; the future ends with its result."""
        future: asyncio.Future[R] = self._loop.create_future()
        if not self._items:
            self._loop.call_soon(self._start_call)
        self._items.append(item)
        self._futures.append(future)
        return future

    def _start_call(self) -> None:
        if not self._items:
            return
        items, self._items = self._items, []
        futures, self._futures = self._futures, []
        call = self._loop.create_task(self._call(items, futures))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, items: list[T], futures: "list[asyncio.Future[R]]") -> None:
        try:
            results = await self._handle_many(items)
        except BaseException as error:
            for future in futures:
                if future.done():
                    continue
                if isinstance(error, Exception):
                    future.set_exception(error)
                else:
                    future.cancel()
            if not isinstance(error, Exception):
                raise
            return
        for future, result in zip(futures, results, strict=True):
            if future.done():  # its caller was cancelled
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
