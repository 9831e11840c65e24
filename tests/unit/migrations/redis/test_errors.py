"""What Redis answers, in the words of the migration tool."""

import pytest

from outpost.clients.redis import RedisNotConnected, RedisReplyError
from outpost.migrations.errors import MigrationError, Refused, Unreachable
from outpost.migrations.redis.errors import code_of, redis_errors

WRAPPED = "ERR Error running script (call to f_5f9c): @user_script:3: @user_script: 3: -OOM command not allowed"
FORBIDDEN = "ERR The user executing the script can't run this command or subcommand script: c6fc, on @user_script:3."


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("OOM command not allowed", "OOM"),
        (WRAPPED, "OOM"),
        (FORBIDDEN, "NOPERM"),
        ("ERR unknown command", "ERR"),
        ("ERR Error running script: @user_script:3: attempt to index a nil value", "ERR"),
    ],
)
def test_an_error_within_a_script_is_the_error_it_is(reply: str, code: str) -> None:
    assert code_of(RedisReplyError("here:1", reply)) == code


@pytest.mark.parametrize(
    ("reply", "kind", "repair"),
    [
        ("NOPERM no", Refused, "outpost migrate doctor"),
        (FORBIDDEN, Refused, "outpost migrate doctor"),
        (WRAPPED, Refused, "raise maxmemory"),
        ("ERR something else", MigrationError, "something else"),
    ],
)
def test_an_answer_says_what_to_do(reply: str, kind: type[MigrationError], repair: str) -> None:
    with pytest.raises(kind, match=repair), redis_errors():
        raise RedisReplyError("here:1", reply)


def test_a_server_that_is_away_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="here:1"), redis_errors():
        raise RedisNotConnected("here:1", "refused")
