"""What Redis answers, in the words of the migration tool."""

import pytest

from outpost.clients.redis import RedisNotConnected, RedisNotReady, RedisReplyError
from outpost.migrations.errors import LeaseLost, MigrationError, Refused, Unreachable
from outpost.migrations.redis.errors import code_of, redis_errors
from outpost.migrations.redis.failures import migration_error

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


def test_who_is_stopped_by_a_newer_fence_hears_that_the_lock_may_have_been_revoked() -> None:
    error = migration_error(RedisReplyError("r:1", "FENCED a newer run has begun"))

    assert isinstance(error, LeaseLost)
    assert "or the lock was revoked" in str(error)
    assert "run it again" in str(error)


def test_a_server_that_answers_but_is_not_ready_is_not_blamed_on_the_settings() -> None:
    away = migration_error(RedisNotConnected("r:1", "the connection was refused"))
    loading = migration_error(RedisNotReady("r:1", "LOADING Redis is loading the dataset in memory"))

    assert "check REDIS_HOST" in str(away)
    assert "REDIS_HOST" not in str(loading)
