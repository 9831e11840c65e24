"""Short ways to say what most tests of the client do."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from outpost.clients.http import HttpClient, Response, Url

PLENTY = 20.0
"""Seconds: a deadline that no test is meant to reach."""


class Ask(Protocol):
    def __call__(
        self,
        port: int,
        path: str = "/",
        *,
        method: bytes = b"POST",
        head: bytes = b"",
        body: bytes = b"",
        seconds: float = PLENTY,
        max_body: int = 1024 * 1024,
        host: str = "127.0.0.1",
        scheme: str = "http",
    ) -> Coroutine[Any, Any, Response]: ...


def asking(client: HttpClient) -> Ask:
    """Return a function that sends a request of `client` to a port of this machine."""

    async def ask(
        port: int,
        path: str = "/",
        *,
        method: bytes = b"POST",
        head: bytes = b"",
        body: bytes = b"",
        seconds: float = PLENTY,
        max_body: int = 1024 * 1024,
        host: str = "127.0.0.1",
        scheme: str = "http",
    ) -> Response:
        url = Url.parse(f"{scheme}://{host}:{port}{path}")
        deadline = asyncio.get_running_loop().time() + seconds
        return await client.request(method, url, head, body, deadline=deadline, max_body=max_body)

    return ask


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until a condition holds that its own callbacks bring about."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)
