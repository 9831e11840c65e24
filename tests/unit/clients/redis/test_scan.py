"""How many keys one SCAN looks at: few, because all others wait meanwhile, unless the way there takes longer anyway."""

import asyncio
from typing import Any

import pytest

from outpost.clients.redis import Scan, scan


class Server:
    """A node that takes 2 us to look at a key, a way of some length off, on a clock of its own."""

    def __init__(self, way: float) -> None:
        self.way = way
        self.now = 0.0
        self.counts: list[int] = []

    def monotonic(self) -> float:
        return self.now

    def send(self, *arguments: Any) -> "asyncio.Future[Any]":
        count = int(arguments[-1])
        self.counts.append(count)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        reply.get_loop().call_soon(self._answer, reply, count)
        return reply

    def _answer(self, reply: "asyncio.Future[Any]", count: int) -> None:
        self.now += self.way + count * 2e-6
        reply.set_result([b"17", [b"key"]])


@pytest.mark.parametrize(
    ("way", "looked_at"),
    [(0.0001, 250), (0.001, 500), (0.002, 1_000), (0.1, 1_000)],
)
async def test_a_page_takes_the_server_as_long_as_the_way_there_within_bounds(
    monkeypatch: pytest.MonkeyPatch, way: float, looked_at: int
) -> None:
    server = Server(way)
    monkeypatch.setattr(scan, "time", server)
    pages = Scan(server)  # type: ignore[arg-type]

    found = [await anext(pages) for _ in range(4)]

    assert server.counts[0] == 250
    assert server.counts[3] == looked_at
    assert [page.looked_at for page in found] == server.counts[:4]


async def test_a_busy_moment_makes_pages_larger_for_that_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(0.004)
    monkeypatch.setattr(scan, "time", server)
    pages = Scan(server)  # type: ignore[arg-type]

    for _ in range(3):
        await anext(pages)
    server.way = 0.0001
    for _ in range(4):
        await anext(pages)

    assert server.counts[2] == 1_000
    assert server.counts[-1] == 250
