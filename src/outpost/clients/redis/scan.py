"""Every key of one node, a page at a time."""

import asyncio
from dataclasses import dataclass
from typing import Any

from outpost.clients.redis.interface import Node


@dataclass(frozen=True)
class Page:
    """Some keys of a node.

    Attributes:
        keys: May be empty, and may repeat earlier ones.
        cursor: Where to go on after this page, also later and from another process; 0 at the end. It means something
            only to the run of the server that gave it: see `Node.run_id`.
    """

    keys: list[bytes]
    cursor: int


class Scan:
    """Reads keys with SCAN; the next page is on its way while the caller works on this one.

        async for page in Scan(node, match="tenant:*"):
            ...
            remember(page.cursor)

    A key that is there from start to end comes at least once; the others may or may not come.
    """

    def __init__(self, node: Node, *, cursor: int = 0, match: str | bytes = "", count: int = 200) -> None:
        """Prepare a scan; nothing is sent.

        Args:
            cursor: Where an earlier scan of this run of the server stopped; 0 is the start.
            match: A glob-style pattern; empty means every key.
            count: About how many keys the server looks at for one page.
        """
        self._node = node
        self._match = match
        self._count = count
        self._cursor = cursor
        self._next: asyncio.Future[Any] | None = None
        self._ended = False

    def __aiter__(self) -> "Scan":
        return self

    async def __anext__(self) -> Page:
        """Return the next page.

        Raises:
            RedisError: The page could not be read; calling again tries it again.
        """
        if self._ended:
            raise StopAsyncIteration
        wanted, self._next = self._next or self._ask(), None
        cursor, keys = await wanted
        page = Page(keys, int(cursor))
        self._cursor = page.cursor
        if page.cursor:
            self._next = self._ask()
            self._next.add_done_callback(_looked_at)
        else:
            self._ended = True
        return page

    def _ask(self) -> asyncio.Future[Any]:
        match = ("MATCH", self._match) if self._match else ()
        return self._node.send("SCAN", self._cursor, *match, "COUNT", self._count)


def _looked_at(page: asyncio.Future[Any]) -> None:
    """Keep the loop from logging an error of a page that nobody came for."""
    if not page.cancelled():
        page.exception()
