"""Where a command's first key stands."""

import pytest

from outpost.clients.redis.encoding import Argument
from outpost.clients.redis.keys import first_key


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "k"), b"k"),
        ((b"set", b"k", 1), b"k"),
        (("INCRBY", 7, 1), b"7"),
        (("EVALSHA", "digest", 2, "k", "l", "argument"), b"k"),
        (("OBJECT", "ENCODING", "k"), b"k"),
        (("BITOP", "AND", "k", "l"), b"k"),
        (("PING",), None),
        (("PUBLISH", "channel", "message"), None),
    ],
)
def test_the_first_key_of(command: tuple[Argument, ...], key: bytes | None) -> None:
    assert first_key(command) == key


@pytest.mark.parametrize("command", [("DBSIZE",), ("scan", 0), ("SCRIPT", "FLUSH"), ("INFO", "server"), ("GET",), ()])
def test_a_command_about_one_node_is_refused(command: tuple[Argument, ...]) -> None:
    with pytest.raises(ValueError, match="names no key"):
        first_key(command)
