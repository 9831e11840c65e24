"""The client of one server: one connection, opened when it is needed and again after it was lost."""

import asyncio
import copy
from collections.abc import Sequence
from typing import Any

from outpost.clients.redis.backoff import backoff
from outpost.clients.redis.connection import Connection, Waiter
from outpost.clients.redis.dial import dial
from outpost.clients.redis.encoding import Argument, encode
from outpost.clients.redis.errors import RedisError, RedisNotConnected
from outpost.clients.redis.interface import Topology
from outpost.clients.redis.options import RedisOptions
from outpost.clients.redis.script import Script, ScriptCall

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.7


class RedisClient:
    """Speaks to one server; see `Commands` and `Redis` for what the methods promise.

    After a connection is lost, the next command opens another. After a failed try, the next one waits a little, longer
    each time, up to 0.7 seconds; commands wait with it, and all fail if it fails. One client belongs to one event loop.
    """

    def __init__(self, options: RedisOptions) -> None:
        """Make a client; nothing is opened."""
        self.endpoint = options.endpoint
        self.topology = Topology()
        self._options = options
        self._connection: Connection | None = None
        self._leaving: set[Connection] = set()
        self._taught: set[str] = set()  # the scripts that the server has been sent whole
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: list[tuple[bytes, Waiter]] = []
        self._failures = 0
        self._not_before = 0.0
        self._closed = False

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def full(self) -> bool:
        """The server does not keep up with what is sent: wait for `room`."""
        return self._connection is not None and self._connection.paused

    def send(self, *arguments: Argument, key: Argument | None = None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.transmit(encode(arguments), future)
        return future

    async def command(self, *arguments: Argument, key: Argument | None = None) -> Any:
        if self.full:
            await self.room()
        return await self.send(*arguments)

    def run(
        self, script: Script, keys: Sequence[Argument] = (), arguments: Sequence[Argument] = ()
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def send_whole(future: asyncio.Future[Any]) -> None:
            self.transmit(script.whole(keys, arguments), future)

        if script.digest in self._taught:
            self.transmit(script.by_digest(keys, arguments), ScriptCall(future, send_whole))
        else:  # asking first would cost a round trip where the server does not know it
            self._taught.add(script.digest)
            send_whole(future)
        return future

    async def room(self) -> None:
        if self._connection is not None:
            await self._connection.room()

    async def nodes(self) -> Sequence["RedisClient"]:
        return (self,)

    async def run_id(self) -> str | None:
        return run_id_of(await self.command("INFO", "server"))

    def transmit(self, wire: bytes, waiter: Waiter) -> None:
        """Send an encoded command, or keep it until there is a connection."""
        if self._connection is not None:
            self._connection.send(wire, waiter)
            return
        if self._closed:
            raise RuntimeError("the Redis client is closed")
        self._waiting.append((wire, waiter))
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())

    def rest(self) -> None:
        """Close the connection as soon as every command has its reply; the next command opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._leaving.add(connection)
            connection.finish()

    async def aclose(self) -> None:
        self._closed = True
        connections = [*self._leaving, *([self._connection] if self._connection else [])]
        for connection in connections:
            connection.end("the client was closed")
        self._fail_waiting(RedisNotConnected(self.endpoint, "the client was closed"))
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        for connection in connections:
            await connection.closed()

    async def __aenter__(self) -> "RedisClient":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    # What a connection calls.

    def lost(self, connection: Connection) -> None:
        self._leaving.discard(connection)
        if self._connection is connection:
            self._connection = None

    def demoted(self, connection: Connection) -> None:
        """The server is no master any more: the next command looks the name up anew, for another may be behind it."""
        if self._connection is connection:
            self.rest()

    # Within.

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(self._not_before - loop.time())
            connection = await dial(self._options, self)
        except RedisError as error:
            self._failures += 1
            self._not_before = loop.time() + backoff(
                self._failures, first=_FIRST_PAUSE_SECONDS, longest=_LONGEST_PAUSE_SECONDS
            )
            self._connecting = None
            self._fail_waiting(error)
        except BaseException:  # the client is being closed, or the options make no sense to the socket library
            self._connecting = None
            self._fail_waiting(RedisNotConnected(self.endpoint, "no connection could be opened"))
            raise
        else:
            self._failures = 0
            self._connecting = None
            self._connection = connection
            waiting, self._waiting = self._waiting, []
            for wire, waiter in waiting:
                connection.send(wire, waiter)

    def _fail_waiting(self, error: RedisError) -> None:
        waiting, self._waiting = self._waiting, []
        for _, waiter in waiting:
            if not waiter.done():
                waiter.set_exception(copy.copy(error))


def run_id_of(info: bytes) -> str | None:
    """Return the id of the server's run in its reply to INFO, None if it has none."""
    for line in info.splitlines():
        name, _, value = line.partition(b":")
        if name == b"run_id":
            return value.decode()
    return None
