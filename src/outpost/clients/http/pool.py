"""Idle connections, by origin, last in first out; and the count of all connections."""

import asyncio

from outpost.clients.http.connection import Connection

_SWEEPS_PER_TIMEOUT = 8


class Pool:
    """Keeps connections between exchanges.

    The most recently used connection of an origin is used next, so that the ones not needed grow old and are closed.
    One timer closes them, at most an eighth of the timeout (or a second) late; none runs while nothing is idle.

    Attributes:
        connections_opened: How many connections were ever opened.
        connections_reused: How many times an idle connection was taken.
    """

    def __init__(self, *, max_idle: int, max_idle_per_host: int, idle_timeout: float) -> None:
        self.connections_opened = 0
        self.connections_reused = 0
        self._max_idle = max_idle
        self._max_idle_per_host = min(max_idle, max_idle_per_host)
        self._idle_timeout = idle_timeout
        self._open: set[asyncio.Protocol] = set()
        self._by_origin: dict[str, list[Connection]] = {}
        self._idle_since: dict[Connection, float] = {}  # the longest idle first
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connections_open(self) -> int:
        """How many connections are open now, idle or not."""
        return len(self._open)

    @property
    def connections_idle(self) -> int:
        """How many connections wait for their next exchange."""
        return len(self._idle_since)

    def take(self, origin: str) -> Connection | None:
        """Take the most recently used idle connection to `origin`, if there is one."""
        stack = self._by_origin.get(origin)
        if not stack:
            return None
        connection = stack.pop()
        del self._idle_since[connection]
        self.connections_reused += 1
        return connection

    def release(self, connection: Connection) -> None:
        """Keep a connection for the next exchange, closing the longest idle one where a limit is reached."""
        if self._closed or self._max_idle_per_host <= 0:
            connection.close()
            return
        stack = self._by_origin.get(connection.origin)
        if stack is None:
            stack = self._by_origin[connection.origin] = []
        elif len(stack) >= self._max_idle_per_host:
            self._evict(stack[0])
        if len(self._idle_since) >= self._max_idle:
            self._evict(next(iter(self._idle_since)))
        stack.append(connection)
        loop = asyncio.get_running_loop()
        self._idle_since[connection] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._idle_timeout, self._sweep)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that closed, if it is idle here."""
        if self._idle_since.pop(connection, None) is not None:
            self._by_origin[connection.origin].remove(connection)

    def opened(self, connection: Connection) -> None:
        self.connections_opened += 1
        self._open.add(connection)

    def closed(self, connection: asyncio.Protocol) -> None:
        """Count a connection out, if it was counted; may be repeated."""
        self._open.discard(connection)

    def close(self) -> None:
        """Close what is idle, and from now on what is released."""
        self._closed = True
        for connection in list(self._idle_since):
            self._evict(connection)
        self._by_origin.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _evict(self, connection: Connection) -> None:
        self.forget(connection)
        connection.close()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection, since in list(self._idle_since.items()):
            if since + self._idle_timeout > now:
                break
            self._evict(connection)
        self._by_origin = {origin: stack for origin, stack in self._by_origin.items() if stack}
        self._timer = None
        if self._idle_since:
            oldest_expires = next(iter(self._idle_since.values())) + self._idle_timeout
            soonest = now + min(1.0, self._idle_timeout / _SWEEPS_PER_TIMEOUT)
            self._timer = loop.call_at(max(oldest_expires, soonest), self._sweep)
