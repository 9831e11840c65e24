"""What a server says of itself: how many keys it has, how far its replicas are behind, how full its memory is."""

import re
from collections.abc import Mapping

from outpost.clients.redis import Node, RedisReplyError
from outpost.migrations.throttle import Health

_REPLICA = re.compile(rb"^slave\d+:(.*)$", re.MULTILINE)
_OWN_CLIENTS = 2
"""Of a run: one connection for the work, one for the lock."""


async def health(node: Node) -> Health:
    """Ask a server; what it does not want to tell counts as fine."""
    try:
        info: bytes = await node.command("INFO")
    except RedisReplyError:
        return Health()
    return read_info(info)


async def population(node: Node) -> int:
    """Return how many keys a server has; 0 if it does not want to tell."""
    try:
        return await node.command("DBSIZE")
    except RedisReplyError:
        return 0


def read_facts(info: bytes) -> Mapping[str, str]:
    """Return the fields of the reply to INFO."""
    pairs = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in pairs if colon}


def read_info(info: bytes) -> Health:
    """Return what the reply to INFO says."""
    lines = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
    limit, used = int(lines.get(b"maxmemory", b"0")), int(lines.get(b"used_memory", b"0"))
    lags = [_lag(each) for each in _REPLICA.findall(info)]
    return Health(
        replica_lag_seconds=max(lags, default=None),
        memory_share=used / limit if limit else None,
        saving=lines.get(b"rdb_bgsave_in_progress") == b"1",
        alone=0 < int(lines.get(b"connected_clients", b"0")) <= _OWN_CLIENTS,
    )


def _lag(line: bytes) -> float:
    """`ip=10.0.0.2,port=6379,state=online,offset=1,lag=0`; one that is not online yet is no measure of our work."""
    fields = dict(part.split(b"=", 1) for part in line.strip().split(b",") if b"=" in part)
    if fields.get(b"state") != b"online":
        return 0.0
    lag = fields.get(b"lag", b"0")
    return float(lag) if lag.isdigit() else 0.0
