"""One server: its connections, logins and bad days."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from outpost.clients.redis import (
    RedisClient,
    RedisConnectionLost,
    RedisNotConnected,
    RedisOptions,
    RedisReplyError,
    RedisUnavailable,
)
from tests.support.servers.redis import RedisServer

NewServer = Callable[..., RedisServer]


async def _answered(redis: RedisClient) -> None:
    """Wait until the server is reached again."""
    async with asyncio.timeout(20):
        while True:
            try:
                await redis.command("PING")
                return
            except RedisUnavailable:
                continue


async def _outcomes(futures: Iterable["asyncio.Future[Any]"]) -> set[type[object]]:
    return {type(outcome) for outcome in await asyncio.gather(*futures, return_exceptions=True)}


async def test_the_database_is_selected(redis_server: RedisServer) -> None:
    async with RedisClient(RedisOptions(port=redis_server.port, database=5)) as redis:
        await redis.command("SET", "key", 1)

    assert redis_server.command("DBSIZE") == 0
    assert b"db5:keys=1" in redis_server.command("INFO", "keyspace")


async def test_a_database_that_does_not_exist_is_refused(redis_server: RedisServer) -> None:
    async with RedisClient(RedisOptions(port=redis_server.port, database=99)) as redis:
        with pytest.raises(RedisReplyError, match="DB index is out of range"):
            await redis.command("PING")


async def test_the_name_is_shown_in_the_list_of_clients(redis_server: RedisServer) -> None:
    async with RedisClient(RedisOptions(port=redis_server.port, name="who-it-is")) as redis:
        assert b"name=who-it-is" in await redis.command("CLIENT", "LIST")


async def test_the_right_password_opens(redis_password_server: RedisServer) -> None:
    options = RedisOptions(port=redis_password_server.port, password=redis_password_server.password)
    async with RedisClient(options) as redis:
        assert await redis.command("PING") == b"PONG"


@pytest.mark.parametrize(("password", "code"), [("wrong one", "WRONGPASS"), ("", "NOAUTH")])
async def test_without_the_right_password_the_error_says_so_and_does_not_show_it(
    redis_password_server: RedisServer, password: str, code: str
) -> None:
    async with RedisClient(RedisOptions(port=redis_password_server.port, password=password)) as redis:
        with pytest.raises(RedisReplyError) as caught:
            await redis.command("PING")

    assert caught.value.code == code
    assert "wrong one" not in f"{caught.value}{caught.value!r}"


async def test_a_user_of_the_access_control_list_can_log_in_and_is_limited(redis_server: RedisServer) -> None:
    redis_server.command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+get", "+client|setname")
    try:
        async with RedisClient(RedisOptions(port=redis_server.port, username="reader", password="secret")) as redis:
            assert await redis.command("GET", "key") is None
            with pytest.raises(RedisReplyError) as caught:
                await redis.command("SET", "key", 1)
    finally:
        redis_server.command("ACL", "DELUSER", "reader")

    assert caught.value.code == "NOPERM"


async def test_a_restart_fails_what_waits_and_the_next_command_reconnects(new_redis_server: NewServer) -> None:
    server = new_redis_server()
    async with RedisClient(RedisOptions(port=server.port)) as redis:
        before = await redis.run_id()
        server.suspend()
        waiting = [redis.send("INCR", "key") for _ in range(10)]
        await asyncio.sleep(0)
        server.kill()

        assert await _outcomes(waiting) == {RedisConnectionLost}

        server.start()
        await _answered(redis)
        assert await redis.run_id() != before
        assert await redis.command("GET", "key") is None


async def test_while_the_server_is_gone_commands_were_not_sent(new_redis_server: NewServer) -> None:
    server = new_redis_server()
    async with RedisClient(RedisOptions(port=server.port)) as redis:
        await redis.command("PING")
        server.kill()
        with pytest.raises(RedisUnavailable):
            await redis.command("PING")

        with pytest.raises(RedisNotConnected, match="refused"):
            await redis.command("INCR", "key")


async def test_a_connection_that_the_server_kills_is_replaced(single: RedisClient, redis_server: RedisServer) -> None:
    first = await single.command("CLIENT", "ID")

    redis_server.command("CLIENT", "KILL", "ID", first)
    await _answered(single)

    assert await single.command("CLIENT", "ID") != first


async def test_a_server_that_pauses_too_long_counts_as_lost(redis_server: RedisServer) -> None:
    async with RedisClient(RedisOptions(port=redis_server.port, response_timeout=0.1)) as redis:
        await redis.command("PING")
        redis_server.command("CLIENT", "PAUSE", 500)
        waiting = [redis.send("INCR", "key") for _ in range(3)]

        assert await _outcomes(waiting) == {RedisConnectionLost}

        await _answered(redis)


async def test_a_command_that_blocks_has_a_client_of_its_own(single: RedisClient, redis_server: RedisServer) -> None:
    async with RedisClient(RedisOptions(port=redis_server.port, response_timeout=None)) as blocking:
        popped = blocking.send("BLPOP", "list", 0)
        await single.command("RPUSH", "list", "value")

        assert await popped == [b"list", b"value"]


async def test_a_server_that_does_not_read_holds_commands_back(new_redis_server: NewServer) -> None:
    server = new_redis_server()
    async with RedisClient(RedisOptions(port=server.port)) as redis:
        await redis.command("PING")
        server.suspend()
        large = redis.send("SET", "key", bytes(32 * 1024 * 1024))
        await asyncio.sleep(0)
        assert redis.full
        held_back = asyncio.create_task(redis.command("GET", "key"))

        server.resume()

        assert await large == b"OK"
        assert len(await held_back) == 32 * 1024 * 1024
