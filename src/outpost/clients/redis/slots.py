"""Hash slots: which of them a key falls into, and which node has it.

A cluster divides keys among 16384 slots (Redis Cluster specification, "Key distribution model"):

    user:{42}:name   only what stands between the first `{` and the next `}` counts, if it is not empty
    slot             CRC-16/XMODEM of that, modulo 16384
"""

import hashlib
from binascii import crc_hqx
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from outpost.clients.redis.options import endpoint

SLOTS = 16384


@dataclass(frozen=True, order=True)
class Address:
    """Where a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return endpoint(self.host, self.port)


def slot_of(key: bytes) -> int:
    """Return the slot of a key."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


@dataclass(frozen=True)
class SlotMap:
    """Which master has which slot.

    Attributes:
        owners: One entry per slot; None where the cluster names nobody.
        masters: Every master that has slots, ordered.
        digest: The same for the same assignment.
    """

    owners: tuple[Address | None, ...] = field(repr=False)
    masters: tuple[Address, ...]
    digest: str


def slot_map(owners: Sequence[Address | None]) -> SlotMap:
    """Return the map of these owners, one per slot."""
    runs = [f"{owner} {len(list(slots))}" for owner, slots in groupby(owners)]
    digest = hashlib.sha256("\n".join(runs).encode()).hexdigest()[:16]
    return SlotMap(tuple(owners), tuple(sorted({owner for owner in owners if owner is not None})), digest)


def parse_slots(reply: Any, *, asked_host: str, forced_host: str = "") -> SlotMap:
    """Read the reply to CLUSTER SLOTS: for each range first slot, last slot, master, replicas.

    Args:
        asked_host: Where the node that answered was reached; stands in for a node that does not know its own address.
        forced_host: Stands in for every host.

    Raises:
        ValueError: The reply is something else.
    """
    owners: list[Address | None] = [None] * SLOTS
    try:
        for first, last, master, *_ in reply:
            owner = _address(forced_host or _host(master) or asked_host, int(master[1]))
            if not 0 <= first <= last < SLOTS:
                raise ValueError("slots out of range")
            owners[first : last + 1] = [owner] * (last + 1 - first)
    except (TypeError, LookupError, AttributeError, ValueError) as error:
        raise ValueError("not a reply to CLUSTER SLOTS") from error
    return slot_map(owners)


def parse_address(text: str, *, asked_host: str, forced_host: str = "") -> Address:
    """Read the address of a MOVED or ASK error; an empty host means that of the node that answered.

    Raises:
        ValueError: There is no port.
    """
    host, _, port = text.rpartition(":")
    return _address(forced_host or (host if host not in ("", "?") else asked_host), int(port))


def _address(host: str, port: int) -> Address:
    if not 0 < port < 65536:
        raise ValueError("not a port")
    return Address(host, port)


def _host(node: list[Any]) -> str:
    """Return a node's host; empty if the cluster does not know it.

    `CLUSTER SLOTS`, "Nested result array": an endpoint is null if it is that of the connection in use, `?` if it shall
    be a host name and none is set. Its address is then among the metadata.
    """
    host: bytes | None = node[0]
    if host == b"?":
        metadata: list[bytes] = node[3] if len(node) > 3 else []
        pairs = dict(zip(metadata[::2], metadata[1::2], strict=False))
        host = pairs.get(b"ip")
    return host.decode() if host else ""
