"""A Redis client that sends what one turn of the event loop asked for in one write: a server or a cluster.

    async with RedisClient(RedisOptions(host="redis", password=...)) as redis:
        await redis.command("SET", "key", b"value", "EX", 60)
        replies = [redis.send("GET", key) for key in keys]     # one flight
        values = [await reply for reply in replies]

`RedisCluster` takes the same calls; `Redis` is what both are. What can go wrong is in `errors`.
"""

from outpost.clients.redis.client import RedisClient, run_id_of
from outpost.clients.redis.cluster import RedisCluster
from outpost.clients.redis.encoding import Argument
from outpost.clients.redis.errors import (
    RedisConnectionLost,
    RedisError,
    RedisNotConnected,
    RedisNotReady,
    RedisReplyError,
    RedisUnavailable,
)
from outpost.clients.redis.interface import Commands, Node, Redis, Topology
from outpost.clients.redis.options import Admit, RedisOptions, Send, tls_context
from outpost.clients.redis.scan import Page, Scan
from outpost.clients.redis.script import Script
from outpost.clients.redis.slots import slot_of

__all__ = [
    "Admit",
    "Argument",
    "Commands",
    "Node",
    "Page",
    "Redis",
    "RedisClient",
    "RedisCluster",
    "RedisConnectionLost",
    "RedisError",
    "RedisNotConnected",
    "RedisNotReady",
    "RedisOptions",
    "RedisReplyError",
    "RedisUnavailable",
    "Scan",
    "Script",
    "Send",
    "Topology",
    "run_id_of",
    "slot_of",
    "tls_context",
]
