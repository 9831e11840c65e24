"""Every test of the HTTP client runs on both event loops, for each has transports and a TLS of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from outpost.clients.http import HttpClient
from tests.support.asking import Ask, asking, until

try:
    import uvloop
except ImportError:  # no wheel for this platform
    uvloop = None


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if uvloop is not None:
        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """A client without an address check, which has let go of every connection when the test is over."""
    async with HttpClient() as client:
        yield client
    await until(lambda: client.connections_open == 0)


@pytest.fixture
def ask(client: HttpClient) -> Ask:
    return asking(client)
