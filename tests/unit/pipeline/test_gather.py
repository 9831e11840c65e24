"""What one tick produced is handled together."""

import asyncio
from collections.abc import Sequence

import pytest

from outpost.pipeline.gather import Gatherer


async def test_the_items_of_one_tick_go_into_one_call() -> None:
    calls: list[list[int]] = []

    async def double(items: Sequence[int]) -> list[int | Exception]:
        calls.append(list(items))
        return [item * 2 for item in items]

    async with Gatherer(double) as gatherer:
        results = await asyncio.gather(*(gatherer.submit(item) for item in range(5)))

    assert results == [0, 2, 4, 6, 8]
    assert calls == [[0, 1, 2, 3, 4]]


async def test_the_next_tick_does_not_wait_for_the_call_before() -> None:
    first_may_end = asyncio.Event()
    slow_runs = asyncio.Event()

    async def handle(items: Sequence[str]) -> list[str | Exception]:
        if items[0] == "slow":
            slow_runs.set()
            await first_may_end.wait()
        return list(items)

    async with Gatherer(handle) as gatherer:
        slow = gatherer.submit("slow")
        await slow_runs.wait()
        quick = await gatherer.submit("quick")
        assert not slow.done()
        first_may_end.set()
        await slow

    assert quick == "quick"


async def test_each_item_gets_its_own_error() -> None:
    async def handle(items: Sequence[int]) -> list[int | Exception]:
        return [ValueError(f"bad {item}") if item % 2 else item for item in items]

    async with Gatherer(handle) as gatherer:
        good, bad = gatherer.submit(2), gatherer.submit(3)

        assert await good == 2
        with pytest.raises(ValueError, match="bad 3"):
            await bad


async def test_what_the_call_raises_every_item_raises() -> None:
    async def handle(items: Sequence[int]) -> list[int | Exception]:
        raise RuntimeError("down")

    async with Gatherer(handle) as gatherer:
        results = await asyncio.gather(gatherer.submit(1), gatherer.submit(2), return_exceptions=True)

    assert [str(result) for result in results] == ["down", "down"]


async def test_a_cancelled_caller_does_not_disturb_the_others() -> None:
    async def handle(items: Sequence[int]) -> list[int | Exception]:
        return list(items)

    async with Gatherer(handle) as gatherer:
        cancelled, kept = gatherer.submit(1), gatherer.submit(2)
        cancelled.cancel()

        assert await kept == 2


async def test_leaving_waits_for_what_was_handed_in() -> None:
    done: list[int] = []

    async def handle(items: Sequence[int]) -> list[int | Exception]:
        await asyncio.sleep(0)
        done.extend(items)
        return list(items)

    async with Gatherer(handle) as gatherer:
        last = gatherer.submit(7)

    assert done == [7]
    assert last.result() == 7
