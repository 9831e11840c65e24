"""Tenants and destinations lie in Redis as the original program writes them, and are read as every release left them.

What real older releases wrote is taken from snapshots, as the original's own migration left it, with what its server
then answered.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec
import pytest

from outpost.clients.redis import Redis
from outpost.codec import cut_to_milliseconds, format_time, parse_time
from outpost.crypto import Sealer
from outpost.domain.destination import Destination
from outpost.domain.tenant import TenantOverview
from outpost.ports.paging import PageRequest, Position
from outpost.ports.tenant_store import TenantQuery
from outpost.stores.tenant.redis import RedisTenantRecords
from outpost.stores.tenant.sealed import SealedTenantStore
from tests.support.builders import ONE, TENANT, TWO, a_record
from tests.support.recorded_answers import Read, reads_of
from tests.support.redis_store import snapshot

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CREDENTIALS = bytes.fromhex(
    "000102030405060708090a0b4dfe00224b4073bcd7b31350458684fbea5225a063b29eb595bbbb9acefe6a4670337471032aa51307dc37d937"
    "14809f985cf35efe140ac5b6eb09745625c24922bebea5a2bfbdd06643bb4bd078a8703f1ea895242bc3509d302c2645"
)
DELIVERY_METADATA = bytes.fromhex(
    "0c0d0e0f10111213141516177d967f7c7617cb243856f5519b42f7318b8b93270a6c4f1ee82f780a01321fa5"
)
DESTINATION_KEY = "dp_001:tenant:{acme}:destination:des_1"
DESTINATION: dict[bytes, bytes] = {
    b"id": b"des_1",
    b"entity": b"destination",
    b"type": b"webhook",
    b"topics": b"user.created,user.updated",
    b"config": b'{"url":"https://example.com/hook?a=1\\u0026b=\\u003c2\\u003e"}',
    b"credentials": CREDENTIALS,
    b"created_at": b"1767323045678",
    b"updated_at": b"1767323045678",
    b"filter": b'{"data":{"amount":{"$gte":100}}}',
    b"delivery_metadata": DELIVERY_METADATA,
}
RECORD = a_record(credentials=CREDENTIALS, delivery_metadata=DELIVERY_METADATA, metadata={})
TOMBSTONE_SECONDS = 604_800

Row = dict[str, Any]


async def hash_at(redis: Redis, key: str) -> dict[bytes, bytes]:
    content: list[bytes] = await redis.command("HGETALL", key)
    return dict(zip(content[::2], content[1::2], strict=True))


# --- written


async def test_a_tenant_is_written_as_the_original_writes_it(redis: Redis) -> None:
    await RedisTenantRecords(redis).put_tenant(TENANT, {"plan": "pro"}, now=NOW)

    stored: list[bytes] = await redis.command("HGETALL", "tenant:{acme}:tenant")

    assert b" ".join(stored) == (
        b'id acme entity tenant created_at 1767323045678 updated_at 1767323045678 metadata {"plan":"pro"}'
    )


async def test_a_tenant_without_metadata_has_no_such_field(redis: Redis) -> None:
    records = RedisTenantRecords(redis)
    await records.put_tenant(TENANT, {"plan": "pro"}, now=NOW)

    await records.put_tenant(TENANT, {}, now=NOW + SECOND)

    assert await hash_at(redis, "tenant:{acme}:tenant") == {
        b"id": b"acme",
        b"entity": b"tenant",
        b"created_at": b"1767323045678",
        b"updated_at": b"1767323046678",
    }


async def test_a_destination_is_written_as_the_original_writes_it(redis: Redis) -> None:
    records = RedisTenantRecords(redis, prefix="dp_001:")
    await records.put_tenant(TENANT, {}, now=NOW)

    await records.add_record(RECORD, limit=20)

    assert await hash_at(redis, DESTINATION_KEY) == DESTINATION
    assert await redis.command("HGET", "dp_001:tenant:{acme}:destinations", "des_1") == (
        b'{"id":"des_1","type":"webhook","topics":["user.created","user.updated"],'
        b'"filter":{"data":{"amount":{"$gte":100}}},"disabled":false}'
    )


async def test_a_change_leaves_the_fields_that_the_original_would_leave(redis: Redis) -> None:
    records = RedisTenantRecords(redis, prefix="dp_001:")
    await records.put_tenant(TENANT, {}, now=NOW)
    await records.add_record(msgspec.structs.replace(RECORD, id=TWO, metadata={"a": "b"}), limit=20)

    await records.change_record(
        TENANT,
        TWO,
        lambda record: msgspec.structs.replace(
            record, type="rabbitmq", topics=("*",), filter=None, delivery_metadata=None, metadata={}, disabled_at=NOW
        ),
    )

    left = DESTINATION | {b"id": b"des_2", b"type": b"rabbitmq", b"topics": b"*", b"disabled_at": b"1767323045678"}
    del left[b"filter"], left[b"delivery_metadata"]
    assert await hash_at(redis, "dp_001:tenant:{acme}:destination:des_2") == left
    assert await redis.command("HGET", "dp_001:tenant:{acme}:destinations", "des_2") == (
        b'{"id":"des_2","type":"rabbitmq","topics":["*"],"disabled":true}'
    )


@pytest.mark.parametrize("whole_tenant", [False, True])
async def test_a_deleted_destination_stays_for_seven_days_as_it_was(redis: Redis, whole_tenant: bool) -> None:
    records = RedisTenantRecords(redis, prefix="dp_001:")
    await records.put_tenant(TENANT, {}, now=NOW)
    await records.add_record(RECORD, limit=20)

    if whole_tenant:
        await records.delete_tenant(TENANT, now=NOW)
    else:
        await records.delete_record(TENANT, ONE, now=NOW)

    assert await hash_at(redis, DESTINATION_KEY) == DESTINATION | {b"deleted_at": b"1767323045678"}
    assert TOMBSTONE_SECONDS - 60 < await redis.command("TTL", DESTINATION_KEY) <= TOMBSTONE_SECONDS
    assert await redis.command("HEXISTS", "dp_001:tenant:{acme}:destinations", "des_1") == 0


async def test_a_deleted_tenant_stays_for_seven_days_and_comes_back_without_a_trace(redis: Redis) -> None:
    records = RedisTenantRecords(redis)
    await records.put_tenant(TENANT, {"plan": "pro"}, now=NOW)
    await records.delete_tenant(TENANT, now=NOW + SECOND)
    tombstone = await hash_at(redis, "tenant:{acme}:tenant")
    expires_in = await redis.command("TTL", "tenant:{acme}:tenant")

    await records.put_tenant(TENANT, {}, now=NOW + 2 * SECOND)

    assert (tombstone[b"deleted_at"], tombstone[b"metadata"]) == (b"1767323046678", b'{"plan":"pro"}')
    assert TOMBSTONE_SECONDS - 60 < expires_in <= TOMBSTONE_SECONDS
    assert await redis.command("TTL", "tenant:{acme}:tenant") == -1
    assert await redis.command("HKEYS", "tenant:{acme}:tenant") == [b"id", b"entity", b"created_at", b"updated_at"]
    assert await redis.command("EXISTS", "tenant:{acme}:destinations") == 0


# --- read


async def test_secrets_that_the_original_sealed_open(redis: Redis) -> None:
    await redis.command("HSET", DESTINATION_KEY, *(part for field in DESTINATION.items() for part in field))
    await redis.command("HSET", "dp_001:tenant:{acme}:destinations", "des_1", "{}")
    store = SealedTenantStore(RedisTenantRecords(redis, prefix="dp_001:"), Sealer("golden-fixture-secret"))

    (destination,) = await store.destinations(TENANT)

    assert destination.credentials == {"previous_secret": "a<b>&c", "secret": "whsec_0123456789abcdef"}
    assert destination.delivery_metadata == {"x-env": "prod"}


async def test_instants_of_older_releases_are_read(redis: Redis) -> None:
    await redis.command(
        "HSET", "tenant:{acme}:tenant", "id", "acme", "created_at", "2026-01-02T08:34:05.678901234+05:30"
    )
    old = DESTINATION | {b"created_at": b"2026-01-02T03:04:05Z", b"disabled_at": b"2026-01-02T03:04:06.5Z"}
    del old[b"updated_at"], old[b"entity"]
    await redis.command("HSET", "tenant:{acme}:destination:des_1", *(part for field in old.items() for part in field))
    await redis.command("HSET", "tenant:{acme}:destinations", "des_1", '{"id":"des_1","topics":"*"}')
    records = RedisTenantRecords(redis)

    overview = await records.tenant(TENANT)
    (record,) = await records.records(TENANT)

    millisecond = NOW.replace(microsecond=678000)
    assert overview is not None
    assert (overview.tenant.created_at, overview.tenant.updated_at) == (millisecond, millisecond)
    assert (overview.destinations_count, overview.topics) == (1, ("*",))
    assert record.created_at == record.updated_at == NOW.replace(microsecond=0)
    assert record.disabled_at == NOW.replace(second=6, microsecond=500000)


async def test_an_old_form_of_when_it_was_created_outlives_a_change_of_the_tenant(redis: Redis) -> None:
    await redis.command("HSET", "tenant:{acme}:tenant", "id", "acme", "created_at", "2026-01-02T03:04:05.678901234Z")
    records = RedisTenantRecords(redis)

    tenant, is_new = await records.put_tenant(TENANT, {}, now=NOW + SECOND)

    assert not is_new
    assert tenant.created_at == NOW.replace(microsecond=678000)
    (listed,) = (await records.tenants(TenantQuery(page=PageRequest(limit=1)))).page.items
    assert listed.tenant == tenant


async def test_an_unreadable_time_of_disabling_leaves_a_destination_enabled(redis: Redis) -> None:
    records = RedisTenantRecords(redis)
    await records.put_tenant(TENANT, {}, now=NOW)
    await records.add_record(a_record(), limit=20)
    await redis.command("HSET", "tenant:{acme}:destination:des_1", "disabled_at", "a while ago")

    assert [record.disabled_at for record in await records.records(TENANT)] == [None]


# --- read, from real installations


@pytest.fixture(params=["v0.5.1", "v0.12.0", "v1.1.0"])
async def upgraded(request: pytest.FixtureRequest, redis: Redis) -> Sequence[Read]:
    """Put a release's tenants and destinations into Redis; return what the original answers about them."""
    for key, value in snapshot(request.param, "redis-after-original").items():
        if key.startswith(b"tenant:"):
            await redis.command("HSET", key, *chain.from_iterable(value.content.items()))
            if value.ttl_ms >= 0:
                await redis.command("PEXPIRE", key, value.ttl_ms)
    return reads_of(request.param, "answers-after-original")


async def test_every_tenant_of_an_upgraded_installation_is_found(
    redis: Redis, upgraded: Sequence[Read], caplog: pytest.LogCaptureFixture
) -> None:
    records = RedisTenantRecords(redis)
    expected = {
        read["tenant"]: read["body"] if read["status"] == 200 else None for read in upgraded if read["what"] == "tenant"
    }

    found = {id_: await records.tenant(id_) for id_ in expected}

    assert {id_: tenant and as_answered(tenant) for id_, tenant in found.items()} == expected
    assert sum(body is not None for body in expected.values()) >= 12
    assert not _complaints(caplog)


async def test_every_destination_of_an_upgraded_installation_is_found(
    redis: Redis, upgraded: Sequence[Read], caplog: pytest.LogCaptureFixture
) -> None:
    store = SealedTenantStore(RedisTenantRecords(redis), Sealer("encryptionsecretencryptionsecret"))
    lists = {
        read["tenant"]: read["body"] if read["status"] == 200 else []
        for read in upgraded
        if read["what"] == "destinations"
    }
    single = {
        (read["tenant"], read["destination"]): read["status"] == 200
        for read in upgraded
        if read["what"] == "destination"
    }

    found = {tenant_id: list(await store.destinations(tenant_id)) for tenant_id in lists}

    for tenant_id, bodies in lists.items():
        shown = [_shown(each, body) for each, body in zip(found[tenant_id], bodies, strict=True)]
        assert shown == [body | {"disabled_at": _in_milliseconds(body["disabled_at"])} for body in bodies]
    assert {key: await store.destination(*key) is not None for key in single} == single
    assert sum(single.values()) >= 27
    assert not _complaints(caplog)


async def test_every_tenant_of_an_upgraded_installation_is_listed(redis: Redis, upgraded: Sequence[Read]) -> None:
    records = RedisTenantRecords(redis)
    expected = [read["body"] for read in upgraded if read["what"] == "tenant" and read["status"] == 200]
    expected.sort(key=lambda body: (parse_time(body["created_at"]), body["id"]))

    listed: list[TenantOverview] = []
    request = PageRequest(limit=5, direction="asc")
    while True:
        found = await records.tenants(TenantQuery(page=request))
        listed += found.page.items
        assert found.count == len(expected)
        if not found.page.more:
            break
        last = listed[-1].tenant
        request = PageRequest(limit=5, direction="asc", after=Position(last.created_at, last.id))

    assert [as_answered(overview) for overview in listed] == expected


def as_answered(overview: TenantOverview) -> Row:
    """Return a tenant as the original's API shows it."""
    tenant = overview.tenant
    return {
        "id": tenant.id,
        "destinations_count": overview.destinations_count,
        "topics": list(overview.topics),
        **({"metadata": tenant.metadata} if tenant.metadata else {}),
        "created_at": format_time(tenant.created_at),
        "updated_at": format_time(tenant.updated_at),
    }


def _shown(destination: Destination, answered: Read) -> Row:
    """Return a destination as the original's API shows it; what its provider adds or masks is taken from `answered`."""
    masked = destination.type != "webhook"
    assert destination.credentials.keys() == answered["credentials"].keys()
    optional = {
        "filter": destination.filter,
        "metadata": destination.metadata,
        "delivery_metadata": destination.delivery_metadata,
    }
    return {
        **{name: answered[name] for name in ("target", "target_url") if name in answered},
        "id": destination.id,
        "tenant_id": destination.tenant_id,
        "type": destination.type,
        "topics": list(destination.topics),
        "config": destination.config,
        "credentials": answered["credentials"] if masked else destination.credentials,
        **{name: value for name, value in optional.items() if value},
        "created_at": format_time(destination.created_at),
        "updated_at": format_time(destination.updated_at),
        "disabled_at": None if destination.disabled_at is None else format_time(destination.disabled_at),
    }


def _in_milliseconds(instant: str | None) -> str | None:
    """Return an instant as it is kept; the oldest release wrote finer ones, in its own zone."""
    return None if instant is None else format_time(cut_to_milliseconds(parse_time(instant)))


def _complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno >= logging.ERROR]
