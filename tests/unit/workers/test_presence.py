"""A server says that it lives for as long as it does."""

import asyncio
import os
import socket

import pytest

from outpost.domain.errors import StoreUnavailable
from outpost.pipeline import patience
from outpost.workers import presence as module
from outpost.workers.presence import Presence, this_server


class Noted:
    """A store that notes what it is told.

    Attributes:
        told: Each call.
        away: It cannot be reached.
        silent: It does not answer.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, str, int | None]] = []
        self.away = False
        self.silent = False
        self.news = asyncio.Event()

    async def announce(self, server: str, form: int) -> None:
        await self._note("announce", server, form)

    async def withdraw(self, server: str) -> None:
        await self._note("withdraw", server, None)

    async def _note(self, call: str, server: str, form: int | None) -> None:
        self.told.append((call, server, form))
        self.news.set()
        if self.silent:
            await asyncio.Event().wait()
        if self.away:
            raise StoreUnavailable("Redis", "away")

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.told) < count:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
def store() -> Noted:
    return Noted()


@pytest.fixture
def presence(store: Noted) -> Presence:
    return Presence(store=store, server="api-1", form=1)


async def _ended(running: asyncio.Task[None]) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_it_is_announced_at_once_and_again_and_withdrawn_at_the_end(
    store: Noted, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EVERY", 0.0)
    running = asyncio.create_task(presence.run())
    await store.until(3)

    await _ended(running)

    assert set(store.told[:-1]) == {("announce", "api-1", 1)}
    assert store.told[-1] == ("withdraw", "api-1", None)


async def test_it_is_said_often_enough_that_two_may_be_missed() -> None:
    assert module._EVERY * 3 <= 90


async def test_a_store_that_is_away_is_waited_for(
    store: Noted, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE", 0.0)
    store.away = True
    running = asyncio.create_task(presence.run())
    await store.until(2)
    store.away = False
    told = len(store.told)

    await store.until(told + 1)

    assert {call for call, *_ in store.told} == {"announce"}
    await _ended(running)


@pytest.mark.parametrize("trouble", ["away", "silent"])
async def test_a_store_in_trouble_does_not_keep_the_server_from_ending(
    store: Noted, presence: Presence, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(module, "_FAREWELL", 0.01)
    running = asyncio.create_task(presence.run())
    await store.until(1)
    setattr(store, trouble, True)

    async with asyncio.timeout(5):
        await _ended(running)

    assert store.told[-1] == ("withdraw", "api-1", None)


def test_two_servers_on_one_host_have_names_of_their_own() -> None:
    assert this_server() == f"{socket.gethostname()} (pid {os.getpid()})"
