"""What a single server and a cluster have in common, so that no caller asks which of them it has."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from outpost.clients.redis.encoding import Argument
from outpost.clients.redis.script import Script


class Topology(msgspec.Struct, frozen=True):
    """Which node serves which keys.

    Attributes:
        version: Grows with every change this client has seen.
        digest: The same for the same assignment, also in another process; empty for a single server.
    """

    version: int = 0
    digest: str = ""


class Commands(Protocol):
    """Sends commands.

    Replies are what version 2 of the protocol says: bytes, int, None, or a list of these. Commands sent in one turn of
    the event loop travel together. Nothing that was sent is sent again, except where the server answered that it did
    not execute it. Two commands sent one after the other are executed in this order, unless they go to different
    nodes or one of them is sent again.

    Not for commands that change what the connection is: SUBSCRIBE, MONITOR, MULTI, WATCH, CLIENT REPLY, HELLO. Commands
    that block hold up all others: give them a client of their own, without `response_timeout`.
    """

    def send(self, *arguments: Argument, key: Argument | None = None) -> asyncio.Future[Any]:
        """Send a command now, also without a connection (it then waits for one), and return the future of its reply.

        Every future must be awaited at some time: an error that nobody looks at is logged by the event loop.
        Cancelling one does not take the command back.

        Args:
            key: Says where the command goes, if its first key does not stand where it usually does.
        """
        ...

    async def command(self, *arguments: Argument, key: Argument | None = None) -> Any:
        """Send a command and return its reply; waits first while the connection is full.

        Raises:
            RedisUnavailable: See its subclasses for whether the command may have been executed.
            RedisReplyError: The server refused.
        """
        ...

    def run(
        self, script: Script, keys: Sequence[Argument] = (), arguments: Sequence[Argument] = ()
    ) -> asyncio.Future[Any]:
        """Run a script, all of whose keys are named and lie on one node; like `send` otherwise."""
        ...

    async def room(self) -> None:
        """Wait until what was sent so far has mostly left. Call it between large batches of `send`."""
        ...


class Node(Commands, Protocol):
    """One server that holds keys of its own."""

    @property
    def endpoint(self) -> str:
        """`host:port`."""
        ...

    async def run_id(self) -> str | None:
        """Return what changes when the server restarts or another takes its place; None where it has no such thing."""
        ...


class Redis(Commands, Protocol):
    """A single server or a cluster."""

    @property
    def topology(self) -> Topology:
        """What is known now of which node serves which keys; asks nobody."""
        ...

    async def nodes(self) -> Sequence[Node]:
        """Return the servers that hold keys, in a fixed order, for commands that concern one server, like SCAN.

        A node answers MOVED or ASK for a key that has gone elsewhere: an error, here. They close with the client.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections. Commands without reply fail; further ones are refused with RuntimeError."""
        ...
