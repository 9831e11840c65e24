"""The client of one server, against peers that refuse, hang up and lie."""

import asyncio
import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from outpost.clients.redis import (
    RedisClient,
    RedisConnectionLost,
    RedisError,
    RedisNotConnected,
    RedisNotReady,
    RedisOptions,
    RedisReplyError,
    Scan,
    Script,
    Send,
)
from outpost.clients.redis import client as module
from tests.support.redis_peer import RedisPeer, redis_peer
from tests.support.servers import free_port

OK = b"+OK\r\n"


def client(peer: RedisPeer, **options: Any) -> RedisClient:
    return RedisClient(RedisOptions(port=peer.port, **options))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.001)


async def test_login_database_and_name_come_before_the_first_command() -> None:
    async with redis_peer(lambda _: OK) as peer:
        options = RedisOptions(port=peer.port, username="user", password="secret", database=3, name="me")
        async with RedisClient(options) as redis:
            await redis.command("SET", "key", 1)

        assert peer.commands == [
            [b"AUTH", b"user", b"secret"],
            [b"SELECT", b"3"],
            [b"CLIENT", b"SETNAME", b"me"],
            [b"SET", b"key", b"1"],
        ]


async def test_a_server_that_is_not_admitted_is_sent_no_command() -> None:
    async def refuse(endpoint: str, send: Send) -> None:
        assert await send("DBSIZE") == b"OK"
        raise RedisReplyError(endpoint, "NO not you")

    async with redis_peer(lambda _: OK) as peer:
        async with client(peer, name="me", admit=refuse) as redis:
            for _ in range(2):
                with pytest.raises(RedisReplyError, match="not you"):
                    await redis.command("SET", "key", 1)

        assert peer.commands == 2 * [[b"CLIENT", b"SETNAME", b"me"], [b"DBSIZE"]]


async def test_no_command_is_sent_when_the_login_is_refused() -> None:
    async with redis_peer(lambda _: b"-WRONGPASS invalid username-password pair\r\n") as peer:
        async with client(peer, password="secret") as redis:
            with pytest.raises(RedisReplyError, match="WRONGPASS"):
                await redis.command("SET", "key", 1)

        assert peer.commands == [[b"AUTH", b"secret"]]


async def test_a_password_that_the_server_repeats_is_masked() -> None:
    async with (
        redis_peer(lambda command: b"-ERR bad word '%b' in AUTH\r\n" % command[-1]) as peer,
        client(peer, password="hunter2") as redis,
    ):
        with pytest.raises(RedisReplyError) as caught:
            await redis.command("PING")

    assert str(caught.value) == f"127.0.0.1:{peer.port}: ERR bad word '***' in AUTH"
    assert "hunter2" not in repr(caught.value)


def test_a_password_is_not_shown_with_the_options() -> None:
    assert "hunter2" not in repr(RedisOptions(password="hunter2"))


async def test_a_name_that_is_refused_does_no_harm() -> None:
    async with (
        redis_peer(lambda command: b"-NOPERM no\r\n" if command[0] == b"CLIENT" else OK) as peer,
        client(peer, name="me") as redis,
    ):
        assert await redis.command("PING") == b"OK"


async def test_a_server_that_hangs_up_during_login_was_sent_nothing_else() -> None:
    async with redis_peer(lambda _: None) as peer, client(peer, password="secret") as redis:
        with pytest.raises(RedisNotConnected, match="closed the connection"):
            await redis.command("SET", "key", 1)


async def test_a_login_without_answer_ends_in_time() -> None:
    async with redis_peer(lambda _: b"") as peer, client(peer, password="secret", connect_timeout=0.05) as redis:
        with pytest.raises(RedisNotConnected, match=r"no answer within 0\.05 s"):
            await redis.command("PING")


async def test_a_refused_connection_fails_all_that_waited_each_with_its_own_error() -> None:
    async with RedisClient(RedisOptions(port=free_port())) as redis:
        first, second = redis.send("PING"), redis.send("PING")

        errors = await asyncio.gather(first, second, return_exceptions=True)

    assert all(isinstance(error, RedisNotConnected) and "refused" in str(error) for error in errors)
    assert errors[0] is not errors[1]


async def test_a_host_name_that_does_not_exist_is_said_to() -> None:
    async with RedisClient(RedisOptions(host="no-such-host.invalid")) as redis:
        with pytest.raises(RedisNotConnected, match="could not be resolved"):
            await redis.command("PING")


async def test_a_host_that_cannot_be_a_name_fails_the_command() -> None:
    async with RedisClient(RedisOptions(host="a" * 70 + ".example")) as redis:
        with pytest.raises(RedisNotConnected):
            await redis.command("PING")


async def test_a_command_whose_connection_broke_is_not_sent_again() -> None:
    async with redis_peer(lambda _: None) as peer:
        async with client(peer) as redis:
            with pytest.raises(RedisConnectionLost):
                await redis.command("INCR", "key")

        assert peer.commands == [[b"INCR", b"key"]]


async def test_the_next_command_after_a_loss_has_a_new_connection() -> None:
    answers = iter([None, OK])
    async with redis_peer(lambda _: next(answers)) as peer:
        async with client(peer) as redis:
            with pytest.raises(RedisConnectionLost):
                await redis.command("PING")

            assert await redis.command("PING") == b"OK"

        assert peer.connections == 2


async def test_tries_that_fail_come_at_growing_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def no_pause(failures: int, *, first: float, longest: float) -> float:
        asked.append(failures)
        return 0.0

    monkeypatch.setattr(module, "backoff", no_pause)
    async with RedisClient(RedisOptions(port=free_port())) as redis:
        for _ in range(3):
            with pytest.raises(RedisNotConnected):
                await redis.command("PING")

    assert asked == [1, 2, 3]


async def test_bytes_that_answer_nothing_end_an_idle_connection() -> None:
    async with redis_peer(lambda _: OK) as peer:
        async with client(peer) as redis:
            await redis.command("PING")
            peer.say(b"+SURPRISE\r\n")
            await peer.until(lambda: peer.open == 0)

            assert await redis.command("PING") == b"OK"

        assert peer.connections == 2


async def test_a_demoted_server_is_looked_up_anew() -> None:
    answers = iter([b"-READONLY no\r\n", OK])
    async with redis_peer(lambda _: next(answers)) as peer:
        async with client(peer) as redis:
            with pytest.raises(RedisReplyError, match="READONLY"):
                await redis.command("SET", "key", 1)
            await redis.command("SET", "key", 1)

        assert peer.connections == 2


async def test_a_loading_server_is_unavailable() -> None:
    async with (
        redis_peer(lambda _: b"-LOADING Redis is loading the dataset in memory\r\n") as peer,
        client(peer) as redis,
    ):
        with pytest.raises(RedisNotReady) as caught:
            await redis.command("GET", "key")

    assert caught.value.code == "LOADING"


async def test_a_script_is_sent_whole_the_first_time_and_when_the_server_has_forgotten_it() -> None:
    forgetful = [False]

    def answer(command: list[bytes]) -> bytes:
        return b"-NOSCRIPT no\r\n" if command[0] == b"EVALSHA" and forgetful[0] else b":7\r\n"

    async with redis_peer(answer) as peer:
        async with client(peer) as redis:
            script = Script("return 7")
            assert await redis.run(script, ["key"], ["first"]) == 7
            assert await redis.run(script, ["key"], ["second"]) == 7
            forgetful[0] = True
            assert await redis.run(script, ["key"], ["third"]) == 7

        assert [command[:1] + command[2:] for command in peer.commands] == [
            [b"EVAL", b"1", b"key", b"first"],
            [b"EVALSHA", b"1", b"key", b"second"],
            [b"EVALSHA", b"1", b"key", b"third"],
            [b"EVAL", b"1", b"key", b"third"],
        ]


async def test_closing_fails_what_waits_and_refuses_what_comes() -> None:
    async with redis_peer(lambda _: b"") as peer:
        redis = client(peer)
        waiting = redis.send("PING")
        await peer.until(lambda: peer.count(b"PING") == 1)

        await redis.aclose()

        with pytest.raises(RedisConnectionLost, match="the client was closed"):
            await waiting
        with pytest.raises(RuntimeError, match="closed"):
            redis.send("PING")


async def test_closing_while_connecting_fails_what_waits() -> None:
    redis = RedisClient(RedisOptions(port=free_port()))
    waiting = redis.send("PING")

    await redis.aclose()

    with pytest.raises(RedisNotConnected, match="the client was closed"):
        await waiting


async def test_the_next_page_of_a_scan_is_asked_for_before_this_one_is_done() -> None:
    pages = iter([b"*2\r\n$2\r\n17\r\n*1\r\n$1\r\na\r\n", b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n"])
    async with redis_peer(lambda _: next(pages)) as peer:
        async with client(peer) as redis:
            scan = Scan(redis, match="t:*", count=10)
            first = await anext(scan)
            await peer.until(lambda: peer.count(b"SCAN") == 2)
            rest = [page async for page in scan]

        assert (first.keys, first.cursor) == ([b"a"], 17)
        assert [(page.keys, page.cursor) for page in rest] == [([b"b"], 0)]
        assert peer.commands == [
            [b"SCAN", b"0", b"MATCH", b"t:*", b"COUNT", b"10"],
            [b"SCAN", b"17", b"MATCH", b"t:*", b"COUNT", b"10"],
        ]


async def test_a_scan_goes_on_where_it_failed() -> None:
    pages: Iterator[bytes | None] = iter([b"*2\r\n$2\r\n17\r\n*0\r\n", None, b"*2\r\n$1\r\n0\r\n*0\r\n"])
    async with redis_peer(lambda _: next(pages)) as peer:
        async with client(peer) as redis:
            scan = Scan(redis)
            await anext(scan)
            with pytest.raises(RedisConnectionLost):
                await anext(scan)
            await anext(scan)

        assert [command[1] for command in peer.commands] == [b"0", b"17", b"17"]


@pytest.mark.parametrize("kind", [RedisNotConnected, RedisConnectionLost, RedisNotReady, RedisReplyError])
def test_errors_can_be_copied(kind: type[RedisError]) -> None:
    error = kind("host:1", "LOADING something")

    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))
