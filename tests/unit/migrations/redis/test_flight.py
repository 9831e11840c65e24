import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from outpost.migrations.redis.flight import Flight


class Server:
    """Answers when the test says so; its clock is that of the test's loop."""

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[Sequence[Any]]] = []

    def send(self) -> asyncio.Future[Sequence[Any]]:
        self.calls.append(asyncio.get_running_loop().create_future())
        return self.calls[-1]

    def answer(self, number: int, *, microseconds: int) -> None:
        self.calls[number].set_result([microseconds])


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def start(flight: Flight, server: Server, count: int) -> list[asyncio.Task[Sequence[Any]]]:
    tasks = [asyncio.create_task(flight.call(server.send)) for _ in range(count)]
    await turns()
    return tasks


async def test_two_calls_are_out_and_the_next_goes_when_one_is_back() -> None:
    flight, server = Flight(), Server()
    tasks = await start(flight, server, 4)
    assert len(server.calls) == 2
    server.answer(0, microseconds=10_000_000)
    await turns()
    assert len(server.calls) == 3
    assert await tasks[0] == [10_000_000]
    for number in (1, 2, 3):
        server.answer(number, microseconds=10_000_000)
        await turns()
    assert [(await task)[0] for task in tasks] == [10_000_000] * 4


async def test_a_long_line_takes_more_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    flight, server = Flight(), Server()
    now = 100.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    tasks = await start(flight, server, 10)
    now += 0.0101
    server.answer(0, microseconds=2_500)
    await turns()
    assert flight.most == 2 + 3  # 7.6 ms on the way are three calls of 2.5 ms
    assert len(server.calls) == 1 + 5
    for number in range(1, 10):
        server.answer(number, microseconds=2_500)
        await turns()
    await asyncio.gather(*tasks)


async def test_the_turn_of_a_call_that_is_given_up_goes_to_another() -> None:
    flight, server = Flight(), Server()
    tasks = await start(flight, server, 4)
    server.answer(0, microseconds=10_000_000)
    await asyncio.sleep(0)  # the third has its turn, and has not taken it
    tasks[2].cancel()
    await turns()
    assert tasks[2].cancelled()
    assert len(server.calls) == 3
    server.answer(1, microseconds=1)
    server.answer(2, microseconds=1)
    await asyncio.gather(tasks[1], tasks[3])


async def test_a_call_that_fails_makes_room() -> None:
    flight, server = Flight(), Server()
    tasks = await start(flight, server, 3)
    server.calls[0].set_exception(ValueError("no"))
    await turns()
    with pytest.raises(ValueError, match="no"):
        await tasks[0]
    assert len(server.calls) == 3
    server.answer(1, microseconds=1)
    server.answer(2, microseconds=1)
    await asyncio.gather(*tasks[1:])
