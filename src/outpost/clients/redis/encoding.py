"""Commands as bytes. Replies are read by hiredis; writing is its part too, except for what its types do not say."""

from collections.abc import Callable
from typing import Any, cast

import hiredis

Argument = bytes | str | int | float
"""Text is sent as UTF-8, numbers in decimal."""

# Its own annotation allows one argument only.
encode = cast(Callable[[tuple[Argument, ...]], bytes], cast(Any, hiredis).pack_command)
"""Return a command as the server reads it: an array of bulk strings (Redis serialization protocol, version 2)."""


def to_bytes(argument: Argument) -> bytes:
    """Return an argument as the server sees it."""
    if isinstance(argument, bytes):
        return argument
    return (argument if isinstance(argument, str) else repr(argument)).encode()
