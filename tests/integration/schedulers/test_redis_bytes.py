"""Retries lie in Redis as the original program writes them, and both programs may work off one schedule."""

from datetime import timedelta

import pytest

from outpost.clients.redis import Redis
from outpost.conformance.retry_scheduler import KEY, a_plan, keys_of
from outpost.domain.identifiers import EventId, TenantId
from outpost.ports.retry_scheduler import RetryKey
from outpost.schedulers.redis import RedisRetryScheduler
from outpost.schedulers.redis_ids import entry_id
from tests.support.builders import ONE, START
from tests.support.clock import SetClock

ID = "00000000004VQ1S57EP1C4TOIW96Q96Q"
ENTRIES, CONTENT = "dp_001:rsmq:deliverymq-retry", "dp_001:rsmq:deliverymq-retry:Q"
BODY = b'{"EventID":"evt_1","TenantID":"acme","DestinationID":"des_1","Telemetry":null}'
HOUR = timedelta(hours=1)


def a_scheduler(
    redis: Redis, *, visibility: timedelta = timedelta(seconds=30), on_cluster: bool = False
) -> RedisRetryScheduler:
    clock = SetClock(START)  # far from the server's
    return RedisRetryScheduler(redis, clock=clock, visibility=visibility, prefix="dp_001:", on_cluster=on_cluster)


async def milliseconds(redis: Redis) -> int:
    seconds, microseconds = await redis.command("TIME")
    return int(seconds) * 1000 + int(microseconds) // 1000


async def content(redis: Redis, name: str = CONTENT) -> dict[bytes, bytes]:
    stored: list[bytes] = await redis.command("HGETALL", name)
    return dict(zip(stored[::2], stored[1::2], strict=True))


async def planned_by_the_original(redis: Redis, id_: str, body: bytes, *, delay: int = 0) -> None:
    """Send as the original does, in one transaction: a new body and time, and no counters."""
    await redis.command("ZADD", ENTRIES, await milliseconds(redis) + delay * 1000, id_)
    await redis.command("HSET", CONTENT, id_, body)
    await redis.command("HINCRBY", CONTENT, "totalsent", 1)
    await redis.command("HDEL", CONTENT, f"{id_}:rc", f"{id_}:fr")


# --- written


async def test_a_plan_is_written_as_the_original_writes_it(single: Redis) -> None:
    before = await milliseconds(single)
    await a_scheduler(single).schedule_many([a_plan(failed_attempt=None, due_in=HOUR)])
    after = await milliseconds(single)

    assert await single.command("SMEMBERS", "dp_001:rsmq:QUEUES") == [b"deliverymq-retry"]
    id_, score = await single.command("ZRANGE", ENTRIES, 0, -1, "WITHSCORES")
    assert id_ == ID.encode()
    assert before + 3_600_000 <= int(score) <= after + 3_600_000
    stored = await content(single)
    assert before // 1000 <= int(stored[b"created"]) == int(stored[b"modified"]) <= after // 1000
    assert {name: value for name, value in stored.items() if name not in (b"created", b"modified")} == {
        b"vt": b"30",
        b"delay": b"0",
        b"maxsize": b"65536",
        b"totalsent": b"1",
        ID.encode(): BODY,
    }


async def test_taking_is_counted_as_the_original_counts_it(single: Redis) -> None:
    scheduler = a_scheduler(single)
    await scheduler.schedule_many([a_plan()])
    await scheduler.take_due(10)
    first = await content(single)
    await single.command("ZADD", ENTRIES, 0, ID)

    before = await milliseconds(single)
    await scheduler.take_due(10)
    after = await milliseconds(single)

    second = await content(single)
    assert [each[f"{ID}:rc".encode()] for each in (first, second)] == [b"1", b"2"]
    assert [each[b"totalrecv"] for each in (first, second)] == [b"1", b"2"]
    assert first[f"{ID}:fr".encode()] == second[f"{ID}:fr".encode()]
    assert before + 30_000 <= int(await single.command("ZSCORE", ENTRIES, ID)) <= after + 30_000


async def test_what_is_settled_or_cancelled_leaves_nothing_but_the_queue(single: Redis) -> None:
    scheduler = a_scheduler(single)
    await scheduler.schedule_many([a_plan()])
    empty = {b"vt", b"delay", b"maxsize", b"created", b"modified", b"totalsent", b"totalrecv"}

    await scheduler.settle_many((await scheduler.take_due(10)).items)
    assert (await content(single)).keys() == empty
    await scheduler.schedule_many([a_plan()])
    await scheduler.take_due(10)
    await scheduler.cancel_many([KEY])

    assert (await content(single)).keys() == empty
    assert await single.command("EXISTS", ENTRIES) == 0


async def test_the_dead_letters_are_a_queue_of_their_own(single: Redis) -> None:
    scheduler = a_scheduler(single)
    await scheduler.schedule_many([a_plan(failed_attempt=None)])
    await single.command("HSET", CONTENT, f"{ID}:rc", 5)
    before = await milliseconds(single)

    await scheduler.postpone_many((await scheduler.take_due(10)).items)

    id_, score = await single.command("ZRANGE", "dp_001:rsmq:deliverymq-retry-dlq", 0, -1, "WITHSCORES")
    assert before <= int(score) <= await milliseconds(single)
    assert before <= int(id_[:10], 36) // 1000 <= await milliseconds(single)
    dead = await content(single, "dp_001:rsmq:deliverymq-retry-dlq:Q")
    assert dead[id_] == BODY
    assert (dead[b"vt"], dead[b"delay"], dead[b"maxsize"], dead[b"totalsent"]) == (b"30", b"0", b"65536", b"1")
    assert sorted(await single.command("SMEMBERS", "dp_001:rsmq:QUEUES")) == [
        b"deliverymq-retry",
        b"deliverymq-retry-dlq",
    ]
    assert ID.encode() not in await content(single)


async def test_on_a_cluster_every_key_has_the_queue_in_braces(cluster: Redis) -> None:
    """FIX-8: so they lie in one slot, and one script can change them."""
    scheduler = a_scheduler(cluster, on_cluster=True)
    await scheduler.schedule_many([a_plan()])
    await cluster.command("HSET", "dp_001:rsmq:{deliverymq-retry}:Q", f"{ID}:rc", 5)
    await scheduler.postpone_many((await scheduler.take_due(10)).items)
    await scheduler.schedule_many([a_plan()])

    names = [name for node in await cluster.nodes() for name in await node.command("KEYS", "*")]

    assert sorted(names) == [
        b"dp_001:rsmq:{deliverymq-retry}",
        b"dp_001:rsmq:{deliverymq-retry}-dlq",
        b"dp_001:rsmq:{deliverymq-retry}-dlq:Q",
        b"dp_001:rsmq:{deliverymq-retry}:Q",
        b"dp_001:rsmq:{deliverymq-retry}:QUEUES",
    ]


# --- beside the original


async def test_what_the_queue_was_made_with_stays_and_what_is_configured_counts(single: Redis) -> None:
    """FIX-34."""
    await single.command("HSET", CONTENT, "vt", 5, "delay", 0, "maxsize", 65536, "created", 1, "modified", 1)
    scheduler = a_scheduler(single, visibility=HOUR)
    await scheduler.schedule_many([a_plan()])

    found = await scheduler.take_due(10)

    stored = await content(single)
    assert (stored[b"vt"], stored[b"created"], stored[b"modified"]) == (b"5", b"1", b"1")
    assert found.next_due is not None
    assert START + HOUR - timedelta(seconds=20) <= found.next_due <= START + HOUR


@pytest.mark.parametrize(
    "body", [BODY, BODY.replace(b"null", b'{"TraceID":"4bf92f3577b34da6a3ce929d0e0e4736","SpanID":"00f067aa0ba902b7"}')]
)
async def test_what_the_original_planned_is_taken_and_settled(single: Redis, body: bytes) -> None:
    await planned_by_the_original(single, ID, body)
    scheduler = a_scheduler(single)

    (due,) = (await scheduler.take_due(10)).items

    assert (due.plan.key, due.plan.failed_attempt, due.plan.event) == (KEY, None, None)
    await scheduler.settle_many([due])
    assert await single.command("EXISTS", ENTRIES) == 0


async def test_what_the_original_plans_while_a_retry_runs_is_kept(single: Redis) -> None:
    scheduler = a_scheduler(single)
    await scheduler.schedule_many([a_plan()])
    running = (await scheduler.take_due(10)).items
    await planned_by_the_original(single, ID, BODY, delay=60)

    await scheduler.settle_many(running)
    await scheduler.postpone_many(running)

    left = int(await single.command("ZSCORE", ENTRIES, ID)) - await milliseconds(single)
    assert 40_000 < left <= 60_000
    assert (await content(single))[ID.encode()] == BODY


@pytest.mark.parametrize("before", [b"", b'"DeliveryEventID":"a4fb338a-9172-4a0a-8075-e7c6013ff002",'])
async def test_a_plan_replaces_that_of_the_original(single: Redis, before: bytes) -> None:
    await planned_by_the_original(single, ID, BODY.replace(b"{", b"{" + before))
    scheduler = a_scheduler(single)

    await scheduler.schedule_many([a_plan(failed_attempt=2)])
    assert [due.plan.failed_attempt for due in (await scheduler.take_due(10)).items] == [2]

    await planned_by_the_original(single, ID, BODY.replace(b"{", b"{" + before))
    await scheduler.cancel_many([KEY])
    assert await single.command("EXISTS", ENTRIES) == 0


async def test_the_plan_of_another_tenant_stays_whoever_made_it(single: Redis) -> None:
    theirs = RetryKey(TenantId("umbrella"), EventId("evt_1"), ONE)
    assert entry_id(theirs) == ID
    await planned_by_the_original(single, ID, BODY.replace(b"acme", b"umbrella"))
    scheduler = a_scheduler(single)

    await scheduler.schedule_many([a_plan()])

    assert sorted(key.tenant_id for key in keys_of((await scheduler.take_due(10)).items)) == ["acme", "umbrella"]
    await scheduler.cancel_many([theirs])
    assert await single.command("ZCARD", ENTRIES) == 1
