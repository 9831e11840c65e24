"""Time that goes by for what lies in a Redis, whose own clock nobody can move."""

from collections.abc import Iterable
from datetime import timedelta

from tests.support.servers.redis import RedisServer

_MILLISECOND = timedelta(milliseconds=1)


def age_keys(nodes: Iterable[RedisServer], by: timedelta) -> None:
    """Bring the end of every key that expires nearer."""
    for node in nodes:
        for key in node.command("KEYS", "*"):
            left = node.command("PTTL", key)
            if left >= 0:
                node.command("PEXPIRE", key, max(left - by // _MILLISECOND, 0))


def age_scores(nodes: Iterable[RedisServer], by: timedelta) -> None:
    """Make every member of a sorted set due earlier."""
    for node in nodes:
        for key in node.command("KEYS", "*"):
            if node.command("TYPE", key) == b"zset":
                members = node.command("ZRANGE", key, 0, -1)
                node.commands([("ZINCRBY", key, -(by // _MILLISECOND), member) for member in members])
