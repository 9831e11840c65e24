"""What is special to tenants in Redis: several writers, the original program among them, and trouble of one key."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest

from outpost.clients.redis import Argument, Redis, RedisClient, RedisCluster, RedisOptions
from outpost.domain.errors import (
    DestinationExists,
    DestinationLimitReached,
    NotFound,
    StoreUnavailable,
    ValidationFailed,
)
from outpost.domain.identifiers import DestinationId, TenantId
from outpost.ports.tenant_store import DestinationRecord
from outpost.stores.tenant.redis import RedisTenantRecords
from tests.support.builders import ONE, START, TENANT, TWO, a_record
from tests.support.servers.redis import RedisServer, RedisServerCluster

THREE = DestinationId("des_3")
SUMMARY = "tenant:{acme}:destinations"


def destination_key(destination_id: str) -> str:
    return f"tenant:{{acme}}:destination:{destination_id}"


def with_metadata(**metadata: str) -> Callable[[DestinationRecord], DestinationRecord]:
    return lambda record: msgspec.structs.replace(record, metadata={**record.metadata, **metadata})


@pytest.fixture
def records(redis: Redis) -> RedisTenantRecords:
    return RedisTenantRecords(redis)


@pytest.fixture
async def elsewhere(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[RedisTenantRecords]:
    """The same store, seen by another process."""
    if isinstance(redis, RedisCluster):
        nodes: RedisServerCluster = request.getfixturevalue("redis_cluster")
        client = RedisCluster(RedisOptions(port=nodes.nodes[0].port))
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        client = RedisClient(RedisOptions(port=server.port))
    async with client:
        yield RedisTenantRecords(client)


async def with_destinations(records: RedisTenantRecords, *ids: str) -> None:
    await records.put_tenant(TENANT, {}, now=START)
    for id_ in ids:
        await records.add_record(a_record(id_), limit=20)


# --- reading what others write


async def test_what_did_not_change_is_the_same_object(records: RedisTenantRecords) -> None:
    await with_destinations(records, ONE, TWO)

    before = await records.records(TENANT)
    again = await records.records(TENANT)
    await records.change_record(TENANT, TWO, with_metadata(n="1"))
    after = await records.records(TENANT)

    assert again is before
    assert after[0] is before[0]
    assert after[1].metadata == before[1].metadata | {"n": "1"}


async def test_a_write_of_another_process_is_seen_at_once(
    records: RedisTenantRecords, elsewhere: RedisTenantRecords
) -> None:
    await with_destinations(records, ONE, TWO)
    await records.records(TENANT)

    await elsewhere.change_record(TENANT, ONE, with_metadata(n="1"))
    changed = await records.records(TENANT)
    await elsewhere.add_record(a_record(THREE), limit=20)
    added = await records.records(TENANT)
    await elsewhere.delete_record(TENANT, ONE, now=START)
    deleted = await records.records(TENANT)
    await elsewhere.delete_tenant(TENANT, now=START)

    assert [record.metadata.get("n") for record in changed] == ["1", None]
    assert [record.id for record in added] == [ONE, TWO, THREE]
    assert [record.id for record in deleted] == [TWO, THREE]
    assert await records.records(TENANT) == ()


async def test_who_asks_in_the_same_turn_shares_one_flight(single: Redis, redis_server: RedisServer) -> None:
    records = RedisTenantRecords(single)
    await with_destinations(records, ONE, TWO)
    await records.records(TENANT)
    redis_server.command("CONFIG", "RESETSTAT")

    asked = await asyncio.gather(*(records.records(TENANT) for _ in range(50)))

    stats = redis_server.command("INFO", "commandstats").decode()
    assert "cmdstat_hkeys:calls=1," in stats
    assert "cmdstat_hgetall:calls=2," in stats
    assert all(each is asked[0] for each in asked)


async def test_who_gives_up_waiting_takes_nothing_from_others(records: RedisTenantRecords) -> None:
    await with_destinations(records, ONE)
    impatient = asyncio.create_task(records.records(TENANT))
    patient = asyncio.create_task(records.records(TENANT))
    await asyncio.sleep(0)

    impatient.cancel()

    assert [record.id for record in await patient] == [ONE]
    assert impatient.cancelled()


async def test_of_more_tenants_than_are_kept_in_memory_all_are_read(redis: Redis) -> None:
    records = RedisTenantRecords(redis, tenants_in_memory=2)
    ids = [TenantId(f"tenant {number}") for number in range(5)]
    for tenant_id in ids:
        await records.put_tenant(tenant_id, {}, now=START)
        await records.add_record(a_record(tenant_id=tenant_id), limit=20)

    for tenant_id in [*ids, *ids]:
        assert [record.tenant_id for record in await records.records(tenant_id)] == [tenant_id]


# --- two writers


async def test_the_limit_holds_against_two_processes(
    records: RedisTenantRecords, elsewhere: RedisTenantRecords
) -> None:
    await with_destinations(records)

    outcomes = await outcomes_of(
        *(writer.add_record(a_record(f"des_{n}"), limit=5) for n in range(10) for writer in (records, elsewhere))
    )

    assert outcomes.count(None) == 5
    refusals = [outcome for outcome in outcomes if outcome is not None]
    assert all(isinstance(refusal, DestinationLimitReached | DestinationExists) for refusal in refusals)
    assert len(await records.records(TENANT)) == 5


async def test_changes_of_two_processes_all_take_effect(
    records: RedisTenantRecords, elsewhere: RedisTenantRecords
) -> None:
    await with_destinations(records, ONE)

    await asyncio.gather(
        *(
            writer.change_record(TENANT, ONE, with_metadata(**{f"{name}{n}": "done"}))
            for n in range(10)
            for name, writer in (("here", records), ("there", elsewhere))
        )
    )

    (record,) = await records.records(TENANT)
    assert len(record.metadata) == 21


async def test_a_change_does_not_bring_back_what_another_process_deletes(
    records: RedisTenantRecords, elsewhere: RedisTenantRecords, redis: Redis
) -> None:
    for _ in range(20):
        await with_destinations(records, ONE)
        changed, deleted = await asyncio.gather(
            records.change_record(TENANT, ONE, with_metadata(n="1")), elsewhere.delete_record(TENANT, ONE, now=START)
        )

        assert deleted
        assert await records.records(TENANT) == ()
        assert await redis.command("HEXISTS", destination_key(ONE), "deleted_at") == 1
        assert changed is None or changed.metadata["n"] == "1"


async def test_a_tenant_that_is_deleted_meanwhile_keeps_no_destination(
    records: RedisTenantRecords, elsewhere: RedisTenantRecords, redis: Redis
) -> None:
    for _ in range(20):
        await with_destinations(records, ONE, TWO)
        added, deleted, ids = await outcomes_of(
            records.add_record(a_record(THREE), limit=20),
            records.delete_record(TENANT, ONE, now=START),
            elsewhere.delete_tenant(TENANT, now=START),
        )

        assert added is None or isinstance(added, NotFound)
        assert isinstance(ids, list)
        assert (THREE in ids) == (added is None)
        assert (ONE not in ids) == (deleted is True)
        assert await redis.command("EXISTS", SUMMARY) == 0
        for id_ in (ONE, TWO, *([THREE] if added is None else [])):
            assert await redis.command("HEXISTS", destination_key(id_), "deleted_at") == 1


class Interrupted:
    """A client that does something else after the first command of a name."""

    def __init__(self, redis: Redis, name: str, then: Callable[[], Awaitable[object]]) -> None:
        self._redis = redis
        self._name = name
        self._then: Callable[[], Awaitable[object]] | None = then

    async def command(self, *arguments: Argument, key: Argument | None = None) -> Any:
        reply = await self._redis.command(*arguments, key=key)
        if arguments[0] == self._name and self._then is not None:
            then, self._then = self._then, None
            await then()
        return reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)


async def test_a_destination_that_is_added_while_its_tenant_is_deleted_goes_with_it(
    elsewhere: RedisTenantRecords, redis: Redis
) -> None:
    async def add() -> None:
        await elsewhere.add_record(a_record(THREE), limit=20)

    await with_destinations(elsewhere, ONE)
    records = RedisTenantRecords(cast(Redis, Interrupted(redis, "HKEYS", add)))

    assert await records.delete_tenant(TENANT, now=START) == [ONE, THREE]
    assert await redis.command("HEXISTS", destination_key(THREE), "deleted_at") == 1
    assert await elsewhere.records(TENANT) == ()


# --- trouble of one key


@pytest.mark.parametrize(
    ("field", "content", "complaint"),
    [
        ("config", '{"url": "https://secret', "config is no JSON object of texts"),
        ("config", "[1]", "config is no JSON object of texts"),
        ("metadata", '{"a": 1}', "metadata is no JSON object of texts"),
        ("filter", "[]", "filter is no JSON object"),
        ("created_at", "yesterday", "created_at is no instant"),
        ("created_at", "9" * 30, "created_at is no instant"),
        ("type", b"\xff", "type is not text"),
    ],
)
async def test_a_broken_destination_hides_no_other_and_can_be_deleted(
    records: RedisTenantRecords,
    redis: Redis,
    caplog: pytest.LogCaptureFixture,
    field: str,
    content: str | bytes,
    complaint: str,
) -> None:
    await with_destinations(records, ONE, TWO)
    await redis.command("HSET", destination_key(ONE), field, content)

    first = await records.records(TENANT)
    again = await records.records(TENANT)

    assert [record.id for record in first] == [TWO]
    assert again is first
    assert errors(caplog) == [f"destination des_1 of tenant acme cannot be read and counts as not there: {complaint}"]
    assert await records.change_record(TENANT, ONE, with_metadata(n="1")) is None
    with pytest.raises(DestinationExists):
        await records.add_record(a_record(ONE), limit=20)
    assert await records.delete_record(TENANT, ONE, now=START)
    await records.add_record(a_record(ONE), limit=20)
    assert [record.id for record in await records.records(TENANT)] == [ONE, TWO]


async def test_a_destination_of_which_only_the_summary_is_left_is_not_there(
    records: RedisTenantRecords, redis: Redis
) -> None:
    await with_destinations(records, ONE, TWO)
    await redis.command("DEL", destination_key(ONE))

    assert [record.id for record in await records.records(TENANT)] == [TWO]
    assert await records.delete_record(TENANT, ONE, now=START)
    assert await redis.command("EXISTS", destination_key(ONE)) == 0


@pytest.mark.parametrize("whole_tenant", [False, True])
async def test_a_destination_whose_key_holds_something_else_hides_no_other_and_can_be_deleted(
    records: RedisTenantRecords, redis: Redis, whole_tenant: bool
) -> None:
    await with_destinations(records, ONE, TWO)
    await records.records(TENANT)
    await redis.command("SET", destination_key(ONE), "something else")

    assert [record.id for record in await records.records(TENANT)] == [TWO]
    assert await records.change_record(TENANT, ONE, with_metadata(n="1")) is None
    if whole_tenant:
        assert await records.delete_tenant(TENANT, now=START) == [ONE, TWO]
    else:
        assert await records.delete_record(TENANT, ONE, now=START)
    assert await redis.command("GET", destination_key(ONE)) == b"something else"
    assert await redis.command("HEXISTS", SUMMARY, ONE) == 0


async def test_a_summary_that_is_something_else_is_an_error_and_not_an_empty_one(
    records: RedisTenantRecords, redis: Redis
) -> None:
    """With no destinations, events would be accepted and lost."""
    await with_destinations(records)
    await redis.command("SET", SUMMARY, "something else")

    for call in (
        records.records(TENANT),
        records.add_record(a_record(ONE), limit=20),
        records.delete_record(TENANT, ONE, now=START),
        records.delete_tenant(TENANT, now=START),
    ):
        with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
            await call
    assert await records.tenant(TENANT) is not None


@pytest.mark.parametrize(
    "damage", [("HSET", "created_at", "yesterday"), ("HDEL", "created_at"), ("HSET", "metadata", "{")]
)
async def test_putting_a_broken_tenant_makes_it_whole(
    records: RedisTenantRecords, redis: Redis, caplog: pytest.LogCaptureFixture, damage: tuple[str, ...]
) -> None:
    await with_destinations(records, ONE)
    await redis.command(damage[0], "tenant:{acme}:tenant", *damage[1:])
    assert await records.tenant(TENANT) is None
    assert errors(caplog)

    _, is_new = await records.put_tenant(TENANT, {"plan": "pro"}, now=START)

    assert not is_new
    overview = await records.tenant(TENANT)
    assert overview is not None
    assert (overview.tenant.metadata, overview.destinations_count) == ({"plan": "pro"}, 1)


# --- trouble of the server


async def test_without_a_server_every_call_says_that_the_store_is_unavailable(
    new_redis_server: Callable[..., RedisServer],
) -> None:
    server = new_redis_server()
    async with RedisClient(RedisOptions(port=server.port)) as redis:
        records = RedisTenantRecords(redis)
        await with_destinations(records, ONE)
        await records.records(TENANT)
        server.kill()

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: records.records(TENANT),
            lambda: records.tenant(TENANT),
            lambda: records.put_tenant(TENANT, {}, now=START),
            lambda: records.add_record(a_record(TWO), limit=20),
            lambda: records.change_record(TENANT, ONE, with_metadata(n="1")),
            lambda: records.delete_record(TENANT, ONE, now=START),
            lambda: records.delete_tenant(TENANT, now=START),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable, match="Redis is not available"):
                await call()


async def test_after_a_restart_everything_goes_on(new_redis_server: Callable[..., RedisServer]) -> None:
    server = new_redis_server(settings={"appendonly": "yes", "appendfsync": "always"})
    async with RedisClient(RedisOptions(port=server.port)) as redis:
        records = RedisTenantRecords(redis)
        await with_destinations(records, ONE)

        server.restart()

        await until_available(lambda: records.change_record(TENANT, ONE, with_metadata(n="1")))
        assert [record.metadata["n"] for record in await records.records(TENANT)] == ["1"]


# --- ids that a cluster cannot keep together


async def test_a_single_server_takes_every_tenant_id(single: Redis) -> None:
    records = RedisTenantRecords(single)
    for tenant_id in (TenantId("}"), TenantId("}{a}"), TenantId("a}:destination:b")):
        await records.put_tenant(tenant_id, {}, now=START)
        await records.add_record(a_record(tenant_id=tenant_id), limit=20)

        assert [record.tenant_id for record in await records.records(tenant_id)] == [tenant_id]
        assert await records.delete_tenant(tenant_id, now=START) == [ONE]


async def test_a_cluster_refuses_a_tenant_whose_keys_have_no_common_slot(cluster: Redis) -> None:
    records = RedisTenantRecords(cluster)

    for tenant_id in (TenantId("}"), TenantId("}{a}")):
        with pytest.raises(ValidationFailed, match="cannot begin with }"):
            await records.put_tenant(tenant_id, {}, now=START)
        assert await records.tenant(tenant_id) is None
        assert await records.records(tenant_id) == ()


# --- steps


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno >= logging.ERROR]


async def outcomes_of(*calls: Awaitable[object]) -> list[object]:
    return list(await asyncio.gather(*calls, return_exceptions=True))


async def until_available(call: Callable[[], Awaitable[object]]) -> None:
    """Call until the client has found the server again; it lets a little more time pass after each try."""
    while True:
        try:
            await call()
            return
        except StoreUnavailable:
            continue


# --- a sample of what is sealed


async def test_a_sample_passes_over_what_is_no_destination(redis: Redis, records: RedisTenantRecords) -> None:
    await with_destinations(records, ONE)
    await redis.command("SET", destination_key("text"), "no hash")
    await redis.command("HSET", destination_key("odd"), "id", "odd")
    strange = TenantId("a}:destination:b")
    await records.put_tenant(strange, {}, now=START)
    await records.add_record(a_record(ONE, tenant_id=strange, credentials=b"strange"), limit=20)

    assert sorted(await records.sealed_sample(100)) == sorted([a_record().credentials, b"strange"])


async def test_a_sample_looks_at_a_bounded_number_of_keys(
    redis: Redis, records: RedisTenantRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FEWEST", "_MOST"):
        monkeypatch.setattr(f"outpost.clients.redis.scan.{name}", 10)
    monkeypatch.setattr("outpost.stores.tenant.redis_sample._LOOKED_AT", 50)
    await asyncio.gather(*(redis.command("SET", f"claim:{number}", "") for number in range(2_000)))
    nodes = await redis.nodes()
    for node in nodes:
        await node.command("CONFIG", "RESETSTAT")

    assert list(await records.sealed_sample(100)) == []

    for node in nodes:
        stats = await node.command("INFO", "commandstats")
        (scans,) = [line for line in stats.splitlines() if line.startswith(b"cmdstat_scan:")]
        assert int(scans.split(b"calls=")[1].split(b",")[0]) <= 6


async def test_where_scanning_is_not_permitted_a_sample_is_empty(single: Redis, redis_server: RedisServer) -> None:
    await with_destinations(RedisTenantRecords(single), ONE)
    await single.command("ACL", "SETUSER", "noscan", "on", ">letmein", "~*", "&*", "+@all", "-scan")
    options = RedisOptions(port=redis_server.port, username="noscan", password="letmein")
    try:
        async with RedisClient(options) as redis:
            assert list(await RedisTenantRecords(redis).sealed_sample(100)) == []
    finally:
        await single.command("ACL", "DELUSER", "noscan")
