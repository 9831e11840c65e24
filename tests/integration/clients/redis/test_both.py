"""What a single server and a cluster have in common."""

import asyncio

import pytest

from outpost.clients.redis import Redis, RedisReplyError, Scan, Script

_COMPARE_AND_DELETE = Script(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)


async def test_values_are_kept_byte_for_byte(redis: Redis) -> None:
    key, value = b"\x00\r\n{\xff} $3\r\n", bytes(range(256)) * 3

    await redis.command("SET", key, value)

    assert await redis.command("GET", key) == value


async def test_text_and_numbers_are_arguments_too(redis: Redis) -> None:
    await redis.command("HSET", "hash", "text", "Zürich", "whole", 42, "part", -2.5)

    assert await redis.command("HGETALL", "hash") == [b"text", "Zürich".encode(), b"whole", b"42", b"part", b"-2.5"]


async def test_a_value_of_many_megabytes_goes_and_comes(redis: Redis) -> None:
    value = b"0123456789abcdef" * (32 * 1024 * 1024 // 16)

    await redis.command("SET", "key", value)

    assert await redis.command("GET", "key") == value


async def test_ten_thousand_commands_at_once_are_answered_in_order(redis: Redis) -> None:
    writes = [redis.send("SET", f"key:{number}", number) for number in range(10_000)]
    reads = [redis.send("GET", f"key:{number}") for number in range(10_000)]

    assert set(await asyncio.gather(*writes)) == {b"OK"}
    assert await asyncio.gather(*reads) == [b"%d" % number for number in range(10_000)]


async def test_an_error_has_a_code(redis: Redis) -> None:
    await redis.command("SET", "key", "text")

    with pytest.raises(RedisReplyError) as caught:
        await redis.command("LPUSH", "key", 1)

    assert caught.value.code == "WRONGTYPE"


async def test_a_script_runs_on_a_server_that_never_saw_it_and_on_one_that_forgot_it(redis: Redis) -> None:
    await redis.command("SET", "key", "mine")
    assert await redis.run(_COMPARE_AND_DELETE, ["key"], ["other"]) == 0

    for node in await redis.nodes():
        await node.command("SCRIPT", "FLUSH")

    assert await redis.run(_COMPARE_AND_DELETE, ["key"], ["mine"]) == 1
    assert await redis.command("GET", "key") is None


async def test_many_runs_of_an_unknown_script_all_succeed(redis: Redis) -> None:
    script = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")

    replies = await asyncio.gather(*(redis.run(script, [f"key:{number}"], [number]) for number in range(500)))

    assert replies == list(range(500))


async def test_the_scans_of_all_nodes_find_every_key(redis: Redis) -> None:
    keys = {b"key:%d" % number for number in range(3000)}
    await asyncio.gather(*(redis.send("SET", key, 1) for key in keys), redis.send("SET", "other", 1))

    found = [key for node in await redis.nodes() async for page in Scan(node, match="key:*") for key in page.keys]

    assert set(found) == keys


async def test_a_scan_goes_on_from_the_cursor_of_an_earlier_one(redis: Redis) -> None:
    keys = {b"key:%d" % number for number in range(3000)}
    await asyncio.gather(*(redis.send("SET", key, 1) for key in keys))
    node = (await redis.nodes())[0]
    before = {key async for page in Scan(node) for key in page.keys}

    first = await anext(Scan(node, count=50))
    rest = [key async for page in Scan(node, cursor=first.cursor) for key in page.keys]

    assert {*first.keys, *rest} == before


async def test_each_node_has_its_own_run_id(redis: Redis) -> None:
    nodes = await redis.nodes()

    ids = [await node.run_id() for node in nodes]

    assert None not in ids
    assert len(set(ids)) == len(nodes)


async def test_a_slow_reader_holds_back_the_writer(redis: Redis) -> None:
    value = bytes(1024 * 1024)

    for start in range(0, 64, 8):
        replies = [redis.send("SET", f"key:{number}", value) for number in range(start, start + 8)]
        await redis.room()
        await asyncio.gather(*replies)

    assert await redis.command("STRLEN", "key:63") == len(value)
