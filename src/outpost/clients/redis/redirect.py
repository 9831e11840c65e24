"""What a cluster's client does about an error: pure rules.

    MOVED                     the slot has another owner: note it, send again there
    ASK                       this key is on its way to another node: ask that one, this once
    TRYAGAIN, LOADING, BUSY   send again later
    CLUSTERDOWN, MASTERDOWN,
    READONLY, not connected   look at the map anew, send again later
    connection lost           look at the map anew, but do not send again: it may have been executed
    anything else             is the caller's

All but the last two say that the command was not executed.
"""

import msgspec

from outpost.clients.redis.errors import (
    RedisConnectionLost,
    RedisError,
    RedisNotConnected,
    RedisNotReady,
    RedisReplyError,
)
from outpost.clients.redis.slots import SLOTS


class Moved(msgspec.Struct, frozen=True):
    """`slot` belongs to the node at `address`, which is as the server writes it: see `parse_address`."""

    slot: int
    address: str


class Ask(msgspec.Struct, frozen=True):
    """The node at `address` has the key, or may create it."""

    address: str


class Later(msgspec.Struct, frozen=True):
    """Send again after a pause; first look at the map anew if `refresh`."""

    refresh: bool


class GiveUp(msgspec.Struct, frozen=True):
    """Tell the caller; look at the map anew if `refresh`."""

    refresh: bool = False


def next_step(error: RedisError) -> Moved | Ask | Later | GiveUp:
    """Return what to do about an error."""
    match error:
        case RedisNotConnected():
            return Later(refresh=True)
        case RedisNotReady():
            return Later(refresh=error.code in ("CLUSTERDOWN", "MASTERDOWN"))
        case RedisConnectionLost():
            return GiveUp(refresh=True)
        case RedisReplyError(code="MOVED" | "ASK"):
            return _redirection(error)
        case RedisReplyError(code="READONLY"):
            return Later(refresh=True)
        case _:
            return GiveUp()


def _redirection(error: RedisReplyError) -> Moved | Ask | GiveUp:
    """`MOVED 3999 127.0.0.1:6381`, `ASK 3999 127.0.0.1:6381`."""
    slot, _, address = error.message.partition(" ")
    if not (slot.isascii() and slot.isdigit() and int(slot) < SLOTS and address.rpartition(":")[2].isdigit()):
        return GiveUp()
    return Moved(int(slot), address) if error.code == "MOVED" else Ask(address)
