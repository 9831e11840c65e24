"""What can go wrong with a command.

    RedisError
    ├── RedisUnavailable          no server did its part; the same command may work later
    │   ├── RedisNotConnected     there was no connection: the command was not sent
    │   ├── RedisConnectionLost   it was sent, and whether it was executed is unknown
    │   └── RedisNotReady         the server answered that it cannot yet: it was not executed
    └── RedisReplyError           the server answered with an error: `code` says which

Messages name host and port, and hold no argument of a command and no password.
"""

import re

_NOT_READY = frozenset(("LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"))

# "ERR unknown command 'X', with args beginning with: ...": what follows are the caller's values.
_VALUES = re.compile(r",? with args beginning with.*", re.DOTALL)


class RedisError(Exception):
    """A command that has no result.

    Attributes:
        endpoint: `host:port`, an IPv6 address in brackets.
    """

    def __init__(self, endpoint: str, detail: str) -> None:
        super().__init__(endpoint, detail)
        self.endpoint = endpoint
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.detail}"


class RedisUnavailable(RedisError):
    """No server did its part."""


class RedisNotConnected(RedisUnavailable):
    """There is no connection, so the command was not sent."""


class RedisConnectionLost(RedisUnavailable):
    """The connection ended before the reply: whether the command was executed is unknown."""


class RedisReplyError(RedisError):
    """The server's answer is an error.

    Attributes:
        code: The first word, such as ERR, WRONGTYPE, NOPERM, NOAUTH, WRONGPASS, OOM, MISCONF, READONLY or NOSCRIPT.
        message: The rest.
    """

    def __init__(self, endpoint: str, detail: str) -> None:
        super().__init__(endpoint, detail)
        self.code, _, self.message = detail.partition(" ")


class RedisNotReady(RedisUnavailable):
    """The server cannot execute commands yet, or not for this key.

    Attributes:
        code: LOADING, CLUSTERDOWN, MASTERDOWN, TRYAGAIN or BUSY.
    """

    def __init__(self, endpoint: str, detail: str) -> None:
        super().__init__(endpoint, detail)
        self.code = detail.partition(" ")[0]


def error_of_reply(endpoint: str, text: str, *, secret: str = "") -> RedisReplyError | RedisNotReady:
    """Return the error for an error reply.

    Args:
        text: The reply without its leading `-`.
        secret: What the command held that nobody may read; masked if the server repeats it.
    """
    text = _VALUES.sub("", text)
    if secret:
        text = text.replace(secret, "***")
    kind = RedisNotReady if text.partition(" ")[0] in _NOT_READY else RedisReplyError
    return kind(endpoint, text)
