"""Tenants are listed whole and in order, whoever wrote them."""

from datetime import datetime, timedelta

import pytest

from outpost.clients.redis import Redis
from outpost.codec import to_milliseconds
from outpost.domain.identifiers import TenantId
from outpost.ports.paging import Direction, PageRequest, Position
from outpost.ports.tenant_store import TenantPage, TenantQuery
from outpost.stores.tenant.redis import RedisTenantRecords
from tests.support.builders import START, START_MILLISECOND, TENANT, a_record

MILLISECOND = timedelta(milliseconds=1)
INDEX = "outpost:tenants"
COMPLETE = "outpost:tenants:complete"


@pytest.fixture
def records(redis: Redis) -> RedisTenantRecords:
    return RedisTenantRecords(redis)


async def original_puts(redis: Redis, tenant_id: str, created_at: datetime) -> None:
    """Write a tenant as the original program does."""
    key, moment = f"tenant:{{{tenant_id}}}:tenant", to_milliseconds(created_at)
    await redis.command("PERSIST", key)
    await redis.command("HDEL", key, "deleted_at")
    await redis.command("HSET", key, "id", tenant_id, "entity", "tenant", "created_at", moment, "updated_at", moment)


async def original_deletes(redis: Redis, tenant_id: str) -> None:
    key = f"tenant:{{{tenant_id}}}:tenant"
    await redis.command("HSET", key, "deleted_at", to_milliseconds(START))
    await redis.command("EXPIRE", key, 604_800)


async def time_passes(redis: Redis) -> None:
    """Let the index count as complete no longer."""
    assert 0 < await redis.command("PTTL", COMPLETE) <= 60_000
    await redis.command("DEL", COMPLETE)


async def listed(records: RedisTenantRecords, direction: Direction = "asc", *, limit: int = 100) -> TenantPage:
    return await records.tenants(TenantQuery(page=PageRequest(limit=limit, direction=direction)))


def ids(found: TenantPage) -> list[str]:
    return [overview.tenant.id for overview in found.page.items]


async def test_tenants_that_the_original_wrote_before_are_listed(redis: Redis, records: RedisTenantRecords) -> None:
    for number in range(300):
        await original_puts(redis, f"tenant {number:03}", START + number * MILLISECOND)
    await original_deletes(redis, "tenant 007")

    found = await listed(records, limit=1000)

    assert ids(found) == [f"tenant {number:03}" for number in range(300) if number != 7]
    assert found.count == 299


async def test_what_the_original_creates_later_is_listed_after_the_next_scan(
    redis: Redis, records: RedisTenantRecords
) -> None:
    await records.put_tenant(TENANT, {}, now=START)
    await listed(records)
    await original_puts(redis, "theirs", START - MILLISECOND)

    await time_passes(redis)
    found = await listed(records)

    assert (ids(found), found.count) == (["theirs", TENANT], 2)


async def test_what_this_program_writes_is_listed_at_once(records: RedisTenantRecords) -> None:
    await listed(records)

    await records.put_tenant(TENANT, {}, now=START)

    assert ids(await listed(records)) == [TENANT]


async def test_a_tenant_of_the_original_that_this_program_changes_is_listed_at_once(
    redis: Redis, records: RedisTenantRecords
) -> None:
    await listed(records)
    await original_puts(redis, "theirs", START - MILLISECOND)
    await records.put_tenant(TENANT, {}, now=START)

    await records.put_tenant(TenantId("theirs"), {"plan": "pro"}, now=START)

    assert ids(await listed(records)) == ["theirs", TENANT]


async def test_what_the_original_deletes_is_listed_no_more(redis: Redis, records: RedisTenantRecords) -> None:
    for number in range(6):
        await records.put_tenant(TenantId(str(number)), {}, now=START + number * MILLISECOND)
    await listed(records)

    for number in (0, 1, 2, 4):
        await original_deletes(redis, str(number))
    found = await listed(records, limit=2)

    assert (ids(found), found.page.more, found.count) == (["3", "5"], False, 2)


async def test_what_is_gone_without_a_trace_no_longer_counts_after_the_next_scan(
    redis: Redis, records: RedisTenantRecords
) -> None:
    for number in range(3):
        await records.put_tenant(TenantId(str(number)), {}, now=START + number * MILLISECOND)
    await listed(records)
    await redis.command("DEL", "tenant:{2}:tenant")

    await time_passes(redis)

    assert (await listed(records, limit=1)).count == 2


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_a_tenant_that_the_original_creates_anew_is_listed_once(
    redis: Redis, records: RedisTenantRecords, direction: Direction
) -> None:
    await records.put_tenant(TenantId("old"), {}, now=START)
    await records.put_tenant(TENANT, {}, now=START + MILLISECOND)
    await listed(records)
    await original_deletes(redis, "old")
    await original_puts(redis, "old", START + 2 * MILLISECOND)

    found = await listed(records, direction)

    assert ids(found) == ([TENANT, "old"] if direction == "asc" else ["old", TENANT])
    assert found.count == 2


async def test_a_tenant_whose_writer_died_before_the_index_knew_is_listed_after_the_next_scan(
    redis: Redis, records: RedisTenantRecords
) -> None:
    await records.put_tenant(TENANT, {}, now=START)
    await listed(records)
    await redis.command("DEL", INDEX)

    await time_passes(redis)

    assert ids(await listed(records)) == [TENANT]


async def test_a_page_goes_on_where_a_tenant_was_that_is_gone(records: RedisTenantRecords) -> None:
    for number in range(4):
        await records.put_tenant(TenantId(str(number)), {}, now=START)
    await records.delete_tenant(TenantId("1"), now=START)

    found = await records.tenants(
        TenantQuery(page=PageRequest(limit=1, direction="asc", after=Position(START_MILLISECOND, "1")))
    )

    assert (ids(found), found.page.more) == (["2"], True)


async def test_a_destination_with_the_key_of_a_tenant_is_none(redis: Redis, records: RedisTenantRecords) -> None:
    await records.put_tenant(TENANT, {}, now=START)
    await records.add_record(a_record("b}:tenant"), limit=20)

    assert ids(await listed(records)) == [TENANT]
    assert await records.tenant(TenantId("acme}:destination:b")) is None


async def test_one_key_of_another_type_hides_no_tenant(redis: Redis, records: RedisTenantRecords) -> None:
    await records.put_tenant(TENANT, {}, now=START)
    await records.put_tenant(TenantId("other"), {}, now=START)
    await redis.command("SET", "tenant:{other}:tenant", "something else")
    await redis.command("SET", "tenant:{third}:tenant", "something else")
    await redis.command("SET", f"tenant:{{{TENANT}}}:destinations", "something else")

    found = await listed(records)

    assert (ids(found), found.count) == ([TENANT], 1)


async def test_many_tenants_are_chosen_by_id_in_pages(records: RedisTenantRecords) -> None:
    chosen = [f"tenant {number:03}" for number in range(300)]
    for number, tenant_id in enumerate(chosen):
        await records.put_tenant(TenantId(tenant_id), {}, now=START + number * MILLISECOND)

    found = await records.tenants(
        TenantQuery(
            page=PageRequest(limit=10, direction="asc", after=Position(START_MILLISECOND + 99 * MILLISECOND, "z")),
            ids=[*chosen, *chosen, "unknown"],
        )
    )

    assert ids(found) == chosen[100:110]
    assert (found.count, found.page.more) == (300, True)


async def test_a_later_list_costs_no_scan(redis: Redis, records: RedisTenantRecords) -> None:
    for number in range(50):
        await records.put_tenant(TenantId(str(number)), {}, now=START)
    await listed(records, limit=2)
    nodes = await redis.nodes()
    for node in nodes:
        await node.command("CONFIG", "RESETSTAT")

    await listed(records, limit=2)

    stats = b"".join([await node.command("INFO", "commandstats") for node in nodes])
    assert b"cmdstat_scan" not in stats
    read = [line for line in stats.splitlines() if line.startswith(b"cmdstat_hgetall")]
    assert sum(int(line.split(b"calls=")[1].split(b",")[0]) for line in read) == 6
