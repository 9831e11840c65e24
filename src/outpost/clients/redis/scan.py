"""Every key of one node, a page at a time.

While a server looks at keys, all its clients wait. So a page is small, half a millisecond of its time, unless the way
to it is long: there each page costs a round trip, and takes the server up to as long as that.
"""

import asyncio
import math
import time
from typing import Any, NamedTuple

import msgspec

from outpost.clients.redis.interface import Node

_FEWEST = 250
_MOST = 1_000
_SECONDS = 2e-6
"""That a server needs to look at one key, about."""


class Page(msgspec.Struct, frozen=True):
    """Some keys of a node.

    Attributes:
        keys: May be empty, and may repeat earlier ones.
        cursor: Where to go on after this page, also later and from another process; 0 at the end. It means something
            only to the run of the server that gave it: see `Node.run_id`.
        looked_at: Among how many keys of the server they were found, about.
    """

    keys: list[bytes]
    cursor: int
    looked_at: int


class Scan:
    """Reads keys with SCAN; the next page is on its way while the caller works on this one.

        async for page in Scan(node, match="tenant:*"):
            ...
            remember(page.cursor)

    A key that is there from start to end comes at least once; the others may or may not come.
    """

    def __init__(self, node: Node, *, cursor: int = 0, match: str | bytes = "", count: int | None = None) -> None:
        """Prepare a scan; nothing is sent.

        Args:
            cursor: Where an earlier scan of this run of the server stopped; 0 is the start.
            match: A glob-style pattern; empty means every key.
            count: About how many keys the server looks at for one page; None leaves it to the length of the way.
        """
        self._node = node
        self._match = match
        self._count = count
        self._cursor = cursor
        self._way = math.inf  # seconds that a page has spent elsewhere than in the server; the least of all
        self._next: _Asked | None = None
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
        asked, self._next = self._next or self._ask(), None
        cursor, keys = await asked.reply
        page = Page(keys, int(cursor), asked.looked_at)
        self._cursor = page.cursor
        if page.cursor:
            self._next = self._ask()
        else:
            self._ended = True
        return page

    def _ask(self) -> "_Asked":
        match = ("MATCH", self._match) if self._match else ()
        count = self._count or self._as_the_way_allows()
        started = time.monotonic()
        reply = self._node.send("SCAN", self._cursor, *match, "COUNT", count)
        reply.add_done_callback(lambda page: self._observe(page, count, time.monotonic() - started))
        return _Asked(reply, count)

    def _as_the_way_allows(self) -> int:
        if math.isinf(self._way):
            return _FEWEST
        return min(max(_FEWEST, round(self._way / _SECONDS)), _MOST)

    def _observe(self, page: asyncio.Future[Any], count: int, elapsed: float) -> None:
        # Looking at the error also keeps the loop from logging that of a page that nobody came for.
        if not page.cancelled() and page.exception() is None:
            self._way = min(self._way, max(elapsed - count * _SECONDS, 0.0))


class _Asked(NamedTuple):
    reply: asyncio.Future[Any]
    looked_at: int
