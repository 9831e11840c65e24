"""The nodes of a cluster: which of them has which slot, and a client for each."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from outpost.clients.redis.client import RedisClient
from outpost.clients.redis.errors import RedisError, RedisNotConnected, RedisNotReady
from outpost.clients.redis.options import RedisOptions
from outpost.clients.redis.slots import Address, SlotMap, parse_slots

_SECONDS_BETWEEN_REFRESHES = 0.1


class ClusterNodes:
    """The map of the cluster as far as it is known, and the clients of its nodes.

    Attributes:
        version: Grows with every change.
    """

    def __init__(
        self, options: RedisOptions, *, forced_host: str, refreshed: Callable[[RedisError | None], None]
    ) -> None:
        """Make it; nothing is opened.

        Args:
            options: The node that is asked first, and what holds for all.
            forced_host: Stands in for the host of every node; empty means that they are where they say.
            refreshed: Called after each look at the map, with why it failed.
        """
        self.version = 0
        self._options = options
        self._forced_host = forced_host
        self._refreshed = refreshed
        self._clients: dict[Address, RedisClient] = {}
        self._map: SlotMap | None = None
        self._owners: list[Address | None] = []
        self._refreshing: asyncio.Task[RedisError | None] | None = None
        self._refreshed_at = 0.0

    @property
    def known(self) -> bool:
        return self._map is not None

    @property
    def digest(self) -> str:
        """That of the map when it was last looked at."""
        return self._map.digest if self._map is not None else ""

    @property
    def full(self) -> bool:
        return any(client.full for client in self._clients.values())

    def masters(self) -> Sequence[RedisClient]:
        return [self.client(address) for address in self._map.masters] if self._map is not None else []

    def owner(self, slot: int | None) -> Address | None:
        """Return the node that has a slot, or any if it is None."""
        if slot is None:
            return self._map.masters[0] if self._map is not None else None
        return self._owners[slot]

    def client(self, address: Address) -> RedisClient:
        client = self._clients.get(address)
        if client is None:
            client = RedisClient(replace(self._options, host=address.host, port=address.port))
            self._clients[address] = client
        return client

    def moved(self, slot: int, owner: Address) -> None:
        """Note what a node said about one slot, and look at the whole map: slots seldom move alone."""
        if self._owners[slot] != owner:
            self._owners[slot] = owner
            self.version += 1
        self.refresh()

    def refresh(self) -> None:
        """Look at the map anew, unless that is happening or has just happened."""
        if not self.known or asyncio.get_running_loop().time() > self._refreshed_at + _SECONDS_BETWEEN_REFRESHES:
            self._start_refresh()

    async def look(self) -> None:
        """Look at the map anew and wait for it.

        Raises:
            RedisError: No node could say.
        """
        refreshing = self._start_refresh()
        await asyncio.wait([refreshing])
        if refreshing.cancelled():
            raise RedisNotConnected(self._options.endpoint, "the client was closed")
        if failure := refreshing.result():
            raise failure

    async def room(self) -> None:
        for client in list(self._clients.values()):
            await client.room()

    async def aclose(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])
        for client in self._clients.values():
            await client.aclose()

    def _start_refresh(self) -> asyncio.Task[RedisError | None]:
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh())
        return self._refreshing

    async def _refresh(self) -> RedisError | None:
        failure: RedisError | None = None
        try:
            for address in self._candidates():
                try:
                    self._adopt(await self._ask(address))
                    failure = None
                    break
                except RedisError as error:
                    failure = failure or error
        finally:
            self._refreshing = None
            self._refreshed_at = asyncio.get_running_loop().time()
        self._refreshed(failure)
        return failure

    def _candidates(self) -> Sequence[Address]:
        """Return whom to ask: first those that are connected, last the one from the options."""
        masters = self._map.masters if self._map is not None else ()
        seed = Address(self._options.host, self._options.port)
        nearest_first = sorted(masters, key=lambda address: not self.client(address).connected)
        return list(dict.fromkeys((*nearest_first, seed)))

    async def _ask(self, address: Address) -> SlotMap:
        known = self._clients.get(address)
        client = known or RedisClient(replace(self._options, host=address.host, port=address.port))
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                reply = await client.command("CLUSTER", "SLOTS")
            found = parse_slots(reply, asked_host=address.host, forced_host=self._forced_host)
        except TimeoutError:
            raise RedisNotConnected(str(address), "no answer about the cluster's slots in time") from None
        except ValueError as error:
            raise RedisNotConnected(str(address), str(error)) from None
        finally:
            if known is None:
                await client.aclose()
        if not found.masters:
            raise RedisNotReady(str(address), "CLUSTERDOWN no node has slots")
        return found

    def _adopt(self, found: SlotMap) -> None:
        if list(found.owners) != self._owners:
            self.version += 1
        self._map = found
        self._owners = list(found.owners)
        for address, client in self._clients.items():
            if address not in found.masters:
                client.rest()
