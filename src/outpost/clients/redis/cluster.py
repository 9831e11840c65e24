"""The client of a Redis Cluster: one connection per master, commands sent to where their keys are."""

import asyncio
import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from outpost.clients.redis.backoff import backoff
from outpost.clients.redis.client import RedisClient
from outpost.clients.redis.cluster_call import IGNORED, ClusterCall
from outpost.clients.redis.cluster_nodes import ClusterNodes
from outpost.clients.redis.encoding import Argument, encode, to_bytes
from outpost.clients.redis.errors import RedisError, RedisNotConnected, RedisNotReady
from outpost.clients.redis.interface import Topology
from outpost.clients.redis.keys import first_key
from outpost.clients.redis.options import RedisOptions
from outpost.clients.redis.redirect import Ask, GiveUp, Later, Moved, next_step
from outpost.clients.redis.script import Script, unknown_script
from outpost.clients.redis.slots import parse_address, slot_of

_ASKING = encode(("ASKING",))
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_REDIRECTIONS_AT_ONCE = 5


class RedisCluster:
    """Speaks to a cluster; see `Commands` and `Redis` for what the methods promise, and `redirect` for the rules.

    A command that comes back unexecuted is sent again until `patience` has passed; then the last error is the
    caller's. All keys of one command lie in one slot. One client belongs to one event loop.
    """

    def __init__(self, options: RedisOptions, *, keep_host: bool = False, patience: float = 10.0) -> None:
        """Make a client; nothing is opened.

        Args:
            options: Any node; what is not host or port holds for all of them. The database is always 0.
            keep_host: Reach every node at the host of `options`, on the port it announces.
            patience: Seconds.
        """
        self._endpoint = options.endpoint
        self._forced_host = options.host if keep_host else ""
        self._patience = patience
        self._nodes = ClusterNodes(
            replace(options, database=0), forced_host=self._forced_host, refreshed=self._refreshed
        )
        self._parked: list[ClusterCall] = []  # until the map is known
        self._paused: dict[ClusterCall, asyncio.TimerHandle] = {}
        self._closed = False

    @property
    def topology(self) -> Topology:
        return Topology(self._nodes.version, self._nodes.digest)

    def send(self, *arguments: Argument, key: Argument | None = None) -> asyncio.Future[Any]:
        name = first_key(arguments) if key is None else to_bytes(key)
        return self._send(encode(arguments), name)

    async def command(self, *arguments: Argument, key: Argument | None = None) -> Any:
        if self._nodes.full:
            await self._nodes.room()
        return await self.send(*arguments, key=key)

    def run(
        self, script: Script, keys: Sequence[Argument] = (), arguments: Sequence[Argument] = ()
    ) -> asyncio.Future[Any]:
        key = to_bytes(keys[0]) if keys else None
        return self._send(script.by_digest(keys, arguments), key, script.whole(keys, arguments))

    async def room(self) -> None:
        await self._nodes.room()

    async def nodes(self) -> Sequence[RedisClient]:
        """Ask the cluster for its masters and return them; see `Redis.nodes`.

        Raises:
            RedisUnavailable: No node could say.
            RedisReplyError: The server is no cluster, or refuses the login.
        """
        self._refuse_if_closed()
        await self._nodes.look()
        return self._nodes.masters()

    async def aclose(self) -> None:
        self._closed = True
        for call, timer in self._paused.items():
            timer.cancel()
            self._parked.append(call)
        self._paused.clear()
        self._fail_parked(RedisNotConnected(self._endpoint, "the client was closed"))
        await self._nodes.aclose()

    async def __aenter__(self) -> "RedisCluster":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    # What calls and the map report.

    def refused(self, call: ClusterCall, error: RedisError) -> None:
        """Do what the rules say about a call that came back with an error."""
        if self._closed:
            call.fail(error)
            return
        if call.whole and unknown_script(error):
            call.wire, call.whole = call.whole, b""
            self._route(call)
            return
        step = next_step(error)
        if isinstance(step, GiveUp | Later) and step.refresh:
            self._nodes.refresh()
        if isinstance(step, GiveUp):
            call.fail(error)
        elif isinstance(step, Later):
            self._pause(call, error)
        else:
            self._redirect(call, error, step)

    def _refreshed(self, failure: RedisError | None) -> None:
        """Send what waited for the map on its way, or back."""
        if failure is None:
            parked, self._parked = self._parked, []
            for call in parked:
                self._route(call)
        elif not self._nodes.known:
            self._fail_parked(failure)

    # Within.

    def _send(self, wire: bytes, key: bytes | None, whole: bytes = b"") -> asyncio.Future[Any]:
        self._refuse_if_closed()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._route(ClusterCall(self, future, wire, None if key is None else slot_of(key), whole))
        return future

    def _route(self, call: ClusterCall) -> None:
        """Send a call to the node that its key belongs to, as far as is known."""
        if not self._nodes.known:
            self._parked.append(call)
            self._nodes.refresh()
            return
        owner = self._nodes.owner(call.slot)
        if owner is None:
            self.refused(call, RedisNotReady(self._endpoint, f"CLUSTERDOWN no node has slot {call.slot}"))
        else:
            call.sent_to = owner
            self._nodes.client(owner).transmit(call.wire, call)

    def _redirect(self, call: ClusterCall, error: RedisError, step: Moved | Ask) -> None:
        asked_host = call.sent_to.host if call.sent_to is not None else ""
        target = parse_address(step.address, asked_host=asked_host, forced_host=self._forced_host)
        if isinstance(step, Moved):
            self._nodes.moved(step.slot, target)
        call.refusals += 1
        if call.refusals > _REDIRECTIONS_AT_ONCE:  # the nodes disagree among themselves
            self._pause(call, error)
            return
        call.sent_to = target
        client = self._nodes.client(target)
        if isinstance(step, Ask):
            client.transmit(_ASKING, IGNORED)
        client.transmit(call.wire, call)

    def _pause(self, call: ClusterCall, error: RedisError) -> None:
        """Send a call again after a while, unless it has been refused for too long."""
        loop = asyncio.get_running_loop()
        call.give_up_at = call.give_up_at or loop.time() + self._patience
        call.refusals += 1
        delay = backoff(call.refusals, first=_FIRST_PAUSE_SECONDS, longest=_LONGEST_PAUSE_SECONDS)
        if loop.time() + delay > call.give_up_at:
            call.fail(error)
        else:
            self._paused[call] = loop.call_later(delay, self._resume, call)

    def _resume(self, call: ClusterCall) -> None:
        del self._paused[call]
        if not call.done():
            self._route(call)

    def _fail_parked(self, error: RedisError) -> None:
        parked, self._parked = self._parked, []
        for call in parked:
            call.fail(copy.copy(error))

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the Redis client is closed")
