"""A cluster whose slots move and whose nodes go."""

import asyncio
from collections.abc import Callable

import pytest

from outpost.clients.redis import RedisCluster, RedisOptions, RedisReplyError, RedisUnavailable, Script, slot_of
from tests.support.servers.redis import SLOTS, RedisServerCluster


async def test_keys_lie_where_the_client_thinks(cluster: RedisCluster, redis_cluster: RedisServerCluster) -> None:
    keys = [f"key:{number}" for number in range(300)] + ["{tag}:1", "{}empty", "{open", "a{b}c{d}"]
    await asyncio.gather(*(cluster.send("SET", key, 1) for key in keys))

    assert [slot_of(key.encode()) for key in keys] == [redis_cluster.slot(key) for key in keys]
    assert sum(node.command("DBSIZE") for node in redis_cluster.nodes) == len(keys)
    assert all(node.command("DBSIZE") for node in redis_cluster.nodes)


async def test_the_nodes_are_the_masters(cluster: RedisCluster, redis_cluster: RedisServerCluster) -> None:
    endpoints = {node.endpoint for node in await cluster.nodes()}

    assert endpoints == {f"127.0.0.1:{node.port}" for node in redis_cluster.nodes}


async def test_commands_follow_a_slot_that_has_moved(cluster: RedisCluster, redis_cluster: RedisServerCluster) -> None:
    await cluster.command("SET", "{tag}", "before")
    topology = cluster.topology
    slot = slot_of(b"tag")
    other = (redis_cluster.home(slot) + 1) % 3

    redis_cluster.start_moving(slot, to=other)
    redis_cluster.finish_moving(slot, to=other)

    assert await cluster.command("GET", "{tag}") == b"before"
    assert cluster.topology.version > topology.version
    await cluster.nodes()
    assert cluster.topology.digest != topology.digest


async def test_keys_are_found_on_both_sides_while_their_slot_moves(
    cluster: RedisCluster, redis_cluster: RedisServerCluster
) -> None:
    slot = slot_of(b"tag")
    home, other = redis_cluster.home(slot), (redis_cluster.home(slot) + 1) % 3
    await cluster.command("SET", "{tag}old", "stays")
    topology = (await cluster.nodes(), cluster.topology)[1]

    redis_cluster.start_moving(slot, to=other)
    await cluster.command("SET", "{tag}new", "arrives")

    assert redis_cluster.nodes[home].command("DBSIZE") == 1
    assert redis_cluster.nodes[other].command("DBSIZE") == 1
    assert await cluster.command("GET", "{tag}old") == b"stays"
    assert await cluster.command("GET", "{tag}new") == b"arrives"
    assert await cluster.run(Script("return redis.call('GET', KEYS[1])"), ["{tag}new"]) == b"arrives"
    assert cluster.topology == topology


async def test_a_command_over_both_sides_of_a_moving_slot_waits_for_the_move(
    cluster: RedisCluster, redis_cluster: RedisServerCluster
) -> None:
    slot = slot_of(b"tag")
    other = (redis_cluster.home(slot) + 1) % 3
    await cluster.command("SET", "{tag}1", 1)
    redis_cluster.start_moving(slot, to=other)
    await cluster.command("SET", "{tag}2", 2)

    both = cluster.send("MGET", "{tag}1", "{tag}2")  # TRYAGAIN until the move is over
    await cluster.command("PING")
    redis_cluster.finish_moving(slot, to=other)

    assert await both == [b"1", b"2"]


async def test_nothing_is_lost_or_doubled_while_slots_move(
    cluster: RedisCluster, redis_cluster: RedisServerCluster
) -> None:
    keys = [f"key:{number}" for number in range(200)]
    moved = sorted({slot_of(key.encode()) for key in keys})[:40]
    rounds = 0

    async def count_up() -> None:
        nonlocal rounds
        while rounds < 1 or not moving.done():
            await asyncio.gather(*(cluster.send("INCR", key) for key in keys))
            rounds += 1

    def move() -> None:
        for slot in moved:
            other = (redis_cluster.home(slot) + 1) % 3
            redis_cluster.start_moving(slot, to=other)
            redis_cluster.finish_moving(slot, to=other)

    moving = asyncio.get_running_loop().run_in_executor(None, move)
    await count_up()
    await moving

    assert await asyncio.gather(*(cluster.send("GET", key) for key in keys)) == [b"%d" % rounds] * len(keys)


async def test_keys_in_different_slots_are_refused_by_the_server(cluster: RedisCluster) -> None:
    with pytest.raises(RedisReplyError) as caught:
        await cluster.command("MGET", "a", "b")

    assert caught.value.code == "CROSSSLOT"


async def test_a_killed_node_fails_its_keys_alone_and_serves_again_when_it_is_back(
    new_redis_cluster: Callable[..., RedisServerCluster],
) -> None:
    servers = new_redis_cluster(settings={"cluster-require-full-coverage": "no", "appendonly": "yes"})
    keys = {servers.home(slot_of(key.encode())): key for key in map(str, range(50))}
    async with RedisCluster(RedisOptions(port=servers.nodes[0].port), patience=0.5) as redis:
        await asyncio.gather(*(redis.send("SET", key, 1) for key in keys.values()))
        servers.nodes[0].kill()  # the one that the client was told of

        with pytest.raises(RedisUnavailable):
            await redis.command("GET", keys[0])
        with pytest.raises(RedisUnavailable):
            await redis.command("GET", keys[0])
        assert await redis.command("GET", keys[1]) == b"1"
        assert await redis.command("GET", keys[2]) == b"1"
        assert len(await redis.nodes()) <= 3

        servers.nodes[0].start()
        servers.wait_until_ok()
        assert await redis.command("GET", keys[0]) == b"1"


async def test_a_cluster_that_misses_slots_is_waited_for(
    new_redis_cluster: Callable[..., RedisServerCluster],
) -> None:
    servers = new_redis_cluster()
    async with RedisCluster(RedisOptions(port=servers.nodes[0].port)) as redis:
        await redis.command("SET", "key", 1)
        for node in servers.nodes:
            node.command("CLUSTER", "DELSLOTS", SLOTS - 1)
        servers.nodes[0].command("CLUSTER", "BUMPEPOCH")
        waiting = redis.send("GET", "key")  # CLUSTERDOWN

        servers.nodes[2].command("CLUSTER", "ADDSLOTS", SLOTS - 1)

        assert await waiting == b"1"
