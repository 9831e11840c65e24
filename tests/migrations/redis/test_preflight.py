"""What `doctor` says about a Redis, and what keeps `apply` from beginning."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import pytest

from outpost.clients.redis import RedisClient, RedisCluster, RedisOptions
from outpost.migrations.redis.preflight import Need, preflight
from outpost.migrations.report import Check
from tests.support.servers.redis import RedisServer, RedisServerCluster


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[RedisClient]:
    async with RedisClient(RedisOptions(host=redis_server.host, port=redis_server.port)) as redis:
        yield redis


def _by_topic(checks: Sequence[Check]) -> Mapping[str, Check]:
    return {check.name.rpartition(": ")[2]: check for check in checks}


async def test_a_plain_server_is_fine(redis: RedisClient, redis_server: RedisServer) -> None:
    checks = await preflight(redis, Need())

    assert all(check.ok for check in checks), checks
    assert redis_server.command("DBSIZE") == 0


async def test_every_master_of_a_cluster_is_looked_at(redis_cluster: RedisServerCluster) -> None:
    node = redis_cluster.nodes[0]
    async with RedisCluster(RedisOptions(host=node.host, port=node.port)) as cluster:
        checks = await preflight(cluster, Need())

    assert len({check.name for check in checks if check.name.endswith(": role")}) == 3


async def test_a_replica_is_refused_and_its_primary_named(
    new_redis_server: Callable[..., RedisServer],
) -> None:
    primary, replica = new_redis_server(), new_redis_server()
    replica.command("REPLICAOF", primary.host, primary.port)
    async with RedisClient(RedisOptions(host=replica.host, port=replica.port)) as client:
        found = _by_topic(await preflight(client, Need()))

    assert not found["role"].ok
    assert f"{primary.host}:{primary.port}" in found["role"].repair


async def test_eviction_is_named_with_the_setting_that_ends_it(new_redis_server: Callable[..., RedisServer]) -> None:
    server = new_redis_server(settings={"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"})
    async with RedisClient(RedisOptions(host=server.host, port=server.port)) as client:
        found = _by_topic(await preflight(client, Need()))

    assert "allkeys-lru" in found["eviction"].differences[0]
    assert found["eviction"].repair == "CONFIG SET maxmemory-policy noeviction"


async def test_too_little_memory_for_the_copies_is_named(new_redis_server: Callable[..., RedisServer]) -> None:
    server = new_redis_server(settings={"maxmemory": "100mb"})
    async with RedisClient(RedisOptions(host=server.host, port=server.port)) as client:
        enough = _by_topic(await preflight(client, Need(growth_bytes=1_000_000)))
        short = _by_topic(await preflight(client, Need(growth_bytes=200_000_000)))

    assert enough["memory"].ok
    assert not short["memory"].ok
    assert short["memory"].repair.startswith("CONFIG SET maxmemory ")


async def test_a_full_server_is_said_to_be_full(new_redis_server: Callable[..., RedisServer]) -> None:
    server = new_redis_server(settings={"maxmemory": "100kb"})
    async with RedisClient(RedisOptions(host=server.host, port=server.port)) as client:
        found = _by_topic(await preflight(client, Need()))

    (difference,) = found["memory"].differences
    assert difference.startswith("it is full (")
    assert "of 102,400 bytes)" in difference


async def test_each_missing_permission_is_named_with_the_grant(
    new_redis_server: Callable[..., RedisServer],
) -> None:
    server = new_redis_server()
    server.command("ACL", "SETUSER", "migrator", "on", ">secret", "~*", "+@all", "-eval", "-unlink")
    options = RedisOptions(host=server.host, port=server.port, username="migrator", password="secret")
    async with RedisClient(options) as client:
        found = _by_topic(await preflight(client, Need()))

    assert found["permissions"].differences == ["user migrator may not use unlink, eval"]
    assert found["permissions"].repair == "ACL SETUSER migrator +unlink +eval ~*"


async def test_a_forbidden_info_is_a_note_and_no_refusal(new_redis_server: Callable[..., RedisServer]) -> None:
    server = new_redis_server()
    server.command("ACL", "SETUSER", "guest", "on", ">secret", "~*", "+@all", "-info", "-acl")
    options = RedisOptions(host=server.host, port=server.port, username="guest", password="secret")
    async with RedisClient(options) as client:
        found = _by_topic(await preflight(client, Need()))

    assert found["version"].ok
    assert "not permitted" in found["version"].note
    assert found["permissions"].ok


async def test_a_wrong_secret_is_found_before_anything_begins(redis: RedisClient) -> None:
    found = _by_topic(await preflight(redis, Need(opens_sample=False)))

    assert not found["AES_ENCRYPTION_SECRET"].ok


async def test_without_a_secret_it_says_so_and_goes_on(redis: RedisClient) -> None:
    found = _by_topic(await preflight(redis, Need()))

    assert found["AES_ENCRYPTION_SECRET"].ok
    assert "not checked" in found["AES_ENCRYPTION_SECRET"].note
