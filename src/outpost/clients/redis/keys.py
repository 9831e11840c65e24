"""Where the first key stands in a command."""

from collections.abc import Mapping
from functools import cache

from outpost.clients.redis.encoding import Argument, to_bytes

# Positions of first keys that are not the first argument, from the "key specifications" of COMMAND DOCS.
_ELSEWHERE: Mapping[bytes, int] = {
    **dict.fromkeys((b"EVAL", b"EVALSHA", b"EVAL_RO", b"EVALSHA_RO", b"FCALL", b"FCALL_RO", b"BLMPOP", b"BZMPOP"), 3),
    **dict.fromkeys((b"OBJECT", b"XGROUP", b"XINFO", b"BITOP", b"MEMORY", b"LMPOP", b"ZMPOP"), 2),
    **dict.fromkeys((b"ZUNION", b"ZINTER", b"ZDIFF", b"ZINTERCARD", b"SINTERCARD"), 2),
}

# Their answer depends on the node, so the caller must say which one it asks.
_PER_NODE = frozenset(
    b"ACL BGREWRITEAOF BGSAVE CLIENT CLUSTER COMMAND CONFIG DBSIZE DEBUG FAILOVER FLUSHALL FLUSHDB FUNCTION INFO KEYS "
    b"LASTSAVE LATENCY LOLWUT MODULE RANDOMKEY READONLY REPLICAOF ROLE SAVE SCAN SCRIPT SHUTDOWN SLOWLOG SWAPDB WAIT "
    b"WAITAOF XREAD XREADGROUP MIGRATE".split()
)

_ANYWHERE = frozenset((b"PING", b"ECHO", b"TIME", b"PUBLISH"))

_NO_KEY, _NOT_TOLD = -1, -2


def first_key(arguments: tuple[Argument, ...]) -> bytes | None:
    """Return the key that says where a command goes; None if any node will do.

    Raises:
        ValueError: It cannot be told, or the command concerns one node.
    """
    position = _position(arguments[0]) if arguments else _NOT_TOLD
    if position == _NO_KEY:
        return None
    if position == _NOT_TOLD or len(arguments) <= position:
        name = to_bytes(arguments[0]).decode(errors="replace") if arguments else "nothing"
        raise ValueError(f"{name} names no key: send it to one of nodes(), or say which key it is about")
    return to_bytes(arguments[position])


@cache  # as large as the vocabulary of the program
def _position(name: Argument) -> int:
    name = to_bytes(name).upper()
    if name in _ANYWHERE:
        return _NO_KEY
    return _NOT_TOLD if name in _PER_NODE else _ELSEWHERE.get(name, 1)
