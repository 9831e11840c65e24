"""Looking names up, and remembering the addresses briefly."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address

from outpost.clients.http.errors import NameNotResolved

Address = IPv4Address | IPv6Address

Resolver = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Looks a name up for a port. Raises OSError if it has no address."""

KEPT_SECONDS = 15.0
KEPT_NAMES = 4096
LOOKUP_THREADS = 32


class _Lookup:
    """A lookup under way and how many wait for it."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: "asyncio.Task[Sequence[Address]]") -> None:
        self.task = task
        self.waiting = 0


class Names:
    """Addresses by name. However many ask for a name at once, it is looked up once."""

    def __init__(self, resolver: Resolver | None) -> None:
        """Make an empty memory.

        Args:
            resolver: Default: the system's own (`getaddrinfo`), in threads kept for it alone, so that a few names whose
                servers do not answer hold up neither other names nor other users of the loop's threads.
        """
        self._resolver = resolver or self._ask_the_system
        self._kept: dict[tuple[str, int], tuple[float, Sequence[Address]]] = {}  # the oldest first
        self._lookups: dict[tuple[str, int], _Lookup] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._closed = False

    async def addresses(self, host: str, port: int, endpoint: str) -> Sequence[Address]:
        """Return the addresses of a name, from memory for up to KEPT_SECONDS.

        Cancelling the last waiting caller cancels the lookup.

        Raises:
            NameNotResolved: It has none, or the lookup failed.
        """
        key = (host, port)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > asyncio.get_running_loop().time():
            return kept[1]
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = _Lookup(asyncio.ensure_future(self._look_up(key)))
        lookup.waiting += 1
        try:
            addresses = await asyncio.shield(lookup.task)
        except (OSError, UnicodeError) as error:
            raise NameNotResolved(endpoint, _reason(error)) from error
        finally:
            lookup.waiting -= 1
            if not lookup.waiting and self._lookups.get(key) is lookup:
                del self._lookups[key]
                lookup.task.cancel()
        if not addresses:
            raise NameNotResolved(endpoint, "it has no address")
        return addresses

    def forget(self, host: str, port: int) -> None:
        """Look the name up anew next time: its addresses did not work."""
        self._kept.pop((host, port), None)

    def close(self) -> None:
        """Free the threads that are not looking anything up, and from now on each when its lookup has ended."""
        self._closed = True
        self._free_threads()

    def _free_threads(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    async def _look_up(self, key: tuple[str, int]) -> Sequence[Address]:
        addresses = tuple(await self._resolver(*key))
        if addresses:
            self._kept.pop(key, None)
            if len(self._kept) >= KEPT_NAMES:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (asyncio.get_running_loop().time() + KEPT_SECONDS, addresses)
        return addresses

    async def _ask_the_system(self, host: str, port: int) -> Sequence[Address]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="name-lookup")
        loop = asyncio.get_running_loop()
        lookup = loop.run_in_executor(self._threads, _getaddrinfo, host, port)
        if self._closed:  # of a request that was in flight then
            self._free_threads()
        return await lookup


def _getaddrinfo(host: str, port: int) -> Sequence[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))


def _reason(error: OSError | UnicodeError) -> str:
    return (error.strerror or "").lower() if isinstance(error, OSError) else "it cannot be written for a lookup"
