"""Lua scripts that the server keeps: sent whole once, then by their hash, and whole again when it forgot them."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from outpost.clients.redis.encoding import Argument, encode
from outpost.clients.redis.errors import RedisError, RedisReplyError


class Script:
    """A Lua script, run with `Redis.run`."""

    __slots__ = ("body", "digest")

    def __init__(self, body: str) -> None:
        self.body = body
        self.digest = hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()

    def by_digest(self, keys: Sequence[Argument], arguments: Sequence[Argument]) -> bytes:
        """Return the encoded command that works if the server knows the script."""
        return encode(("EVALSHA", self.digest, len(keys), *keys, *arguments))

    def whole(self, keys: Sequence[Argument], arguments: Sequence[Argument]) -> bytes:
        """Return the encoded command that works always, and after which the server knows the script."""
        return encode(("EVAL", self.body, len(keys), *keys, *arguments))


class ScriptCall:
    """Waits for the reply to a script sent by its hash, and has it sent whole if the server does not know it."""

    __slots__ = ("_future", "_send_whole")

    def __init__(self, future: asyncio.Future[Any], send_whole: Callable[[asyncio.Future[Any]], None]) -> None:
        self._future = future
        self._send_whole = send_whole

    def done(self) -> bool:
        return self._future.done()

    def set_result(self, result: Any, /) -> None:
        self._future.set_result(result)

    def set_exception(self, exception: RedisError, /) -> None:
        if unknown_script(exception):
            self._send_whole(self._future)
        else:
            self._future.set_exception(exception)


def unknown_script(error: RedisError) -> bool:
    return isinstance(error, RedisReplyError) and error.code == "NOSCRIPT"
