"""Waiting for the replies to several commands that travel together.

Every reply is waited for, also after one of them is an error, so that none is left that nobody looks at.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from outpost.clients.redis import RedisReplyError

Stored = list[bytes] | None
"""What HGETALL found: fields and values, alternating; None if the key holds no hash but something else."""


async def hash_replies(replies: Iterable[asyncio.Future[Any]]) -> list[Stored]:
    """Return every reply to HGETALL.

    Raises:
        RedisError: The first error among them, except that a key is of another type.
    """
    return stored_hashes(await asyncio.gather(*replies, return_exceptions=True))


def stored_hashes(replies: Sequence[Any]) -> list[Stored]:
    """Return what replies to HGETALL, errors among them, say.

    Raises:
        RedisError: The first error among them, except that a key is of another type.
    """
    found: list[Stored] = []
    for reply in replies:
        if isinstance(reply, RedisReplyError) and reply.code == "WRONGTYPE":
            found.append(None)
        elif isinstance(reply, BaseException):
            raise reply
        else:
            found.append(reply)
    return found
