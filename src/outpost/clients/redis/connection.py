"""One connection: commands out, replies in the same order back.

Four rules carry this file:

1. Commands of one turn of the event loop leave in one write. While the transport is full they wait here.
2. The reply that arrives belongs to the command that waits longest. A reply nobody waits for means that the two sides
   are out of step, and nothing after it could be trusted: the connection ends.
3. Nothing is sent twice. When the connection ends, commands that were written fail as lost, for the server may have
   executed them; commands that were still waiting here fail as not sent.
4. `_failure` says why the connection ended. Whoever ends it sets it first, so it ends once.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any, Protocol, cast

import hiredis

from outpost.clients.redis.errors import (
    RedisConnectionLost,
    RedisError,
    RedisNotConnected,
    error_of_reply,
)

MAX_REPLY = 1024**3
"""Most bytes of one reply. A single value has at most half of it, by the server's default."""

_INCOMPLETE = object()
_SECOND_LOOK_SECONDS = 0.1


class Waiter(Protocol):
    """Who gets a reply. A future is one."""

    def done(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...
    def set_exception(self, exception: RedisError, /) -> None: ...


class Owner(Protocol):
    """Whom a connection reports to."""

    def lost(self, connection: "Connection") -> None: ...
    def demoted(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """A connection to one server.

    Attributes:
        paused: The transport is full; what is sent now waits here.
    """

    __slots__ = (
        "_answered",
        "_endpoint",
        "_failure",
        "_finishing",
        "_flights",
        "_gone",
        "_loop",
        "_overdue",
        "_owner",
        "_partial",
        "_reader",
        "_response_timeout",
        "_room",
        "_timer",
        "_transport",
        "_unsent",
        "_waiters",
        "_written",
        "paused",
    )

    def __init__(
        self, owner: Owner, loop: asyncio.AbstractEventLoop, *, endpoint: str, response_timeout: float | None
    ) -> None:
        self.paused = False
        self._owner = owner
        self._loop = loop
        self._endpoint = endpoint
        self._response_timeout = response_timeout
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(replyError=partial(error_of_reply, endpoint), notEnoughData=_INCOMPLETE)
        self._unsent: list[bytes] = []
        self._waiters: deque[Waiter] = deque()  # of written commands, then of those in _unsent
        self._written = 0  # commands, ever
        self._answered = 0  # commands, ever
        self._partial = 0  # bytes since the last complete reply
        self._flights: deque[tuple[float, int]] = deque()  # when one was written, and what _written was then
        self._overdue = 0  # the flight that was late when last looked at
        self._timer: asyncio.TimerHandle | None = None
        self._failure: str | None = None
        self._finishing = False
        self._room: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] = loop.create_future()

    def send(self, wire: bytes, waiter: Waiter) -> None:
        """Send one encoded command; `waiter` gets its reply or learns why there is none."""
        if self._failure is not None:
            waiter.set_exception(RedisNotConnected(self._endpoint, self._failure))
            return
        if not self._unsent and not self.paused:
            self._loop.call_soon(self._flush)
        self._unsent.append(wire)
        self._waiters.append(waiter)

    async def room(self) -> None:
        """Wait until the transport has room again, or the connection ends."""
        if self.paused and self._failure is None:
            if self._room is None:
                self._room = self._loop.create_future()
            await asyncio.shield(self._room)

    def finish(self) -> None:
        """Close once every command that was sent has its reply."""
        self._finishing = True
        if not self._waiters:
            self.end("the connection was closed")

    def end(self, reason: str) -> None:
        """Close at once; `reason` is told to whoever still waits."""
        if self._failure is not None:
            return
        self._failure = reason
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()  # close() would first wait for bytes that the server may never take
        self._owner.lost(self)
        self._make_room()
        waiters, unsent = self._waiters, len(self._unsent)
        self._waiters, self._unsent = deque(), []
        while waiters:
            kind = RedisConnectionLost if len(waiters) > unsent else RedisNotConnected
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_exception(kind(self._endpoint, reason))

    async def closed(self) -> None:
        """Wait until the transport is gone."""
        await asyncio.shield(self._gone)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._failure is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._failure is not None:
            return
        self._partial += len(data)
        try:
            self._reader.feed(data)
            self._take_replies()
        except hiredis.HiredisError:
            self.end("it does not answer in the Redis protocol")
            return
        if self._partial > MAX_REPLY:
            self.end(f"its reply exceeds {MAX_REPLY} bytes")
        elif self._finishing and not self._waiters:
            self.end("the connection was closed")

    def connection_lost(self, exc: Exception | None) -> None:
        self.end("the server closed the connection" if exc is None else "the connection broke off")
        self._transport = None
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._make_room()
        if self._unsent:
            self._flush()

    # Within.

    def _flush(self) -> None:
        unsent = self._unsent
        if self.paused or not unsent or self._transport is None:
            return
        self._unsent = []
        self._written += len(unsent)
        if self._response_timeout is not None:
            self._note_flight(self._response_timeout)
        self._transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def _take_replies(self) -> None:
        next_reply, waiters = self._reader.gets, self._waiters
        owed = self._written - self._answered
        while (reply := next_reply()) is not _INCOMPLETE:
            if owed == 0:
                self.end("it sent a reply that answers no command")
                return
            owed -= 1
            waiter = waiters.popleft()
            if isinstance(reply, RedisError):
                self._refused(waiter, reply)
                if self._failure is not None:
                    return
            elif not waiter.done():
                waiter.set_result(reply)
        answered = self._written - owed
        if answered != self._answered:
            self._answered = answered
            self._partial = 0

    def _refused(self, waiter: Waiter, error: RedisError) -> None:
        if not waiter.done():
            waiter.set_exception(error)
        if error.detail.startswith("READONLY "):
            self._owner.demoted(self)

    def _note_flight(self, timeout: float) -> None:
        now, flights = self._loop.time(), self._flights
        while flights and flights[0][1] <= self._answered:
            flights.popleft()
        flights.append((now, self._written))
        if self._timer is None:
            self._timer = self._loop.call_at(now + timeout, self._check_flights, timeout)

    def _check_flights(self, timeout: float) -> None:
        self._timer = None
        flights = self._flights
        while flights and flights[0][1] <= self._answered:
            flights.popleft()
        if not flights:
            return
        written_at, last = flights[0]
        if self._loop.time() < written_at + timeout:
            self._timer = self._loop.call_at(written_at + timeout, self._check_flights, timeout)
        elif last != self._overdue:
            # A process that was held up itself finds this timer due before it has read what lies there.
            self._overdue = last
            self._timer = self._loop.call_later(_SECOND_LOOK_SECONDS, self._check_flights, timeout)
        else:
            self.end(f"no answer within {timeout:g} s")

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
