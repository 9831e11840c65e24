"""Keeps what a run sends away from a server that has come back without its data.

A connection lasts as long as the process behind it. So each new one is looked at before anything else is sent on it: by
then nothing has reached the server, and where keys of several servers belong together, as in a cluster, nothing does
that would look as if the rest had been deleted.
"""

import asyncio

import msgspec

from outpost.clients.redis import RedisError, RedisReplyError, Send, run_id_of

_LOST_SHARE = 0.5
"""A server that comes back with less than this share of its keys has lost them; a server at work deletes far fewer."""


class CameBackEmpty(RedisError):
    """A server restarted and holds few of the keys that it held."""


def has_lost_its_keys(before: int, now: int) -> bool:
    """Say whether a server that has restarted lost its keys; `before` and `now` are how many it holds."""
    return now < before * _LOST_SHARE


def came_back_empty(endpoint: str, before: int, now: int) -> CameBackEmpty:
    """Return the error for a server that held `before` keys and holds `now`."""
    return CameBackEmpty(
        endpoint,
        f"it has restarted without its data: it held {before:,} keys and holds {now:,}; restore its backup, then run "
        "it again, which goes on from there",
    )


class _Seen(msgspec.Struct, frozen=True):
    run_id: str | None
    keys: int


class Admission:
    """Remembers the servers of one client; it is what `RedisOptions.admit` asks."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    async def admit(self, endpoint: str, send: Send) -> None:
        """Let a connection through, unless it leads to a server that has lost its keys since the last one.

        Raises:
            CameBackEmpty: It has.
            RedisUnavailable: It does not say yet.
        """
        now = await _look(send)
        if now is None:
            return
        before = self._seen.get(endpoint, now)
        if now.run_id != before.run_id and has_lost_its_keys(before.keys, now.keys):
            raise came_back_empty(endpoint, before.keys, now.keys)
        self._seen[endpoint] = now


async def _look(send: Send) -> _Seen | None:
    """Return what a server says of itself; None if the user may not ask, and what is not known is not judged."""
    try:
        info, keys = await asyncio.gather(send("INFO", "server"), send("DBSIZE"))
    except RedisReplyError:
        return None
    return _Seen(run_id_of(info), keys)
