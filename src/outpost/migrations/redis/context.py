"""What every part of the line needs: the server, how keys are named, and who runs."""

from collections.abc import Callable
from typing import Any

import msgspec

from outpost.clients.redis import Argument, Redis
from outpost.migrations.redis.families import Names
from outpost.migrations.redis.keys import ToolKeys
from outpost.migrations.redis.scripts import script


class Context(msgspec.Struct, frozen=True):
    """A Redis and the deployment in it.

    Attributes:
        across: Keys lie in slots that may be on different servers, so no script sees two of them unless they share one.
        connect: Returns one more client for the same Redis; can be pickled, so that other processes connect too. None
            where no other process may.
    """

    redis: Redis
    keys: ToolKeys
    across: bool
    connect: Callable[[], Redis] | None = None

    @property
    def names(self) -> Names:
        return Names(self.keys.prefix.encode())

    @property
    def fence_keys(self) -> tuple[str, ...]:
        """The fence, where scripts can see it beside other keys."""
        return () if self.across else (self.keys.fence,)

    async def remember(self, key: str, fence: int, fields: dict[str, str]) -> None:
        """Write fields of one of the tool's hashes, unless a newer run has written to it or begun.

        Raises:
            RedisReplyError: Code FENCED: a newer run has.
        """
        pairs: list[Argument] = [each for pair in fields.items() for each in pair]
        await self.redis.run(script("remember"), [key, *self.fence_keys], [fence, *pairs])

    async def forget(self, key: str, fence: int, fields: list[str]) -> None:
        """Remove fields (all if `fields` is empty) of one of the tool's hashes; refuses like `remember`."""
        await self.redis.run(script("forget"), [key, *self.fence_keys], [fence, *fields])

    async def hash(self, key: str) -> dict[str, str]:
        """Return one of the tool's own hashes, which are small."""
        return decoded(await self.redis.command("HGETALL", key))


def decoded(reply: list[Any]) -> dict[str, str]:
    """Return the reply to HGETALL as texts; bytes that are none are replaced."""
    texts = [item.decode(errors="backslashreplace") for item in reply]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def shown(key: bytes) -> str:
    """Return a key for people, and for JSON; different keys look different."""
    return key.decode(errors="backslashreplace")
