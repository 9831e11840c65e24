"""What is special to retries in Redis: forgotten scripts, restarts, and trouble of the server or of one entry."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from outpost.clients.redis import Redis, RedisClient, RedisCluster, RedisOptions
from outpost.conformance.retry_scheduler import KEY, KEY_TWO, a_key, a_plan, keys_of
from outpost.domain.errors import SchedulerUnavailable
from outpost.schedulers.redis import RedisRetryScheduler
from outpost.schedulers.redis_ids import entry_id
from tests.support.builders import START, an_event
from tests.support.clock import SetClock
from tests.support.servers.redis import RedisServer

ID = entry_id(KEY)
MINUTE = timedelta(minutes=1)


def a_scheduler(redis: Redis, *, queue: str = "deliverymq-retry") -> RedisRetryScheduler:
    return RedisRetryScheduler(redis, clock=SetClock(START), queue=queue, on_cluster=isinstance(redis, RedisCluster))


@pytest.fixture
def scheduler(redis: Redis) -> RedisRetryScheduler:
    return a_scheduler(redis)


def name_of(redis: Redis, end: str = "") -> str:
    return ("rsmq:{deliverymq-retry}" if isinstance(redis, RedisCluster) else "rsmq:deliverymq-retry") + end


async def until_available(call: Callable[[], Awaitable[object]]) -> None:
    """Call until the client has found the server again; it lets a little more time pass after each try."""
    while True:
        try:
            await call()
            return
        except SchedulerUnavailable:
            continue


# --- the server forgets, restarts, is away


async def test_forgotten_scripts_have_no_effect(scheduler: RedisRetryScheduler, redis: Redis) -> None:
    """FIX-7."""

    async def forget() -> None:
        for node in await redis.nodes():
            await node.command("SCRIPT", "FLUSH")

    await scheduler.schedule_many([a_plan(), a_plan(KEY_TWO)])
    await forget()
    due = (await scheduler.take_due(10)).items
    assert set(keys_of(due)) == {KEY, KEY_TWO}
    await forget()
    assert await scheduler.next_due() is not None
    await forget()
    await scheduler.postpone_many(due)
    await forget()
    await scheduler.settle_many(due[:1])
    await forget()
    await scheduler.cancel_many([due[1].plan.key])
    await forget()

    assert await scheduler.next_due() is None


async def test_after_a_restart_everything_goes_on(new_redis_server: Callable[..., RedisServer]) -> None:
    server = new_redis_server(settings={"appendonly": "yes", "appendfsync": "always"})
    async with RedisClient(RedisOptions(port=server.port)) as redis:
        scheduler = a_scheduler(redis)
        await scheduler.schedule_many([a_plan(event=an_event()), a_plan(KEY_TWO, due_in=MINUTE)])
        server.restart()
        await until_available(scheduler.next_due)

        (due,) = (await scheduler.take_due(10)).items
        server.restart()
        await until_available(lambda: scheduler.settle_many([due]))

        assert due.plan.key == KEY
        assert await redis.command("ZRANGE", name_of(redis), 0, -1) == [entry_id(KEY_TWO).encode()]


async def test_a_server_that_lost_everything_gets_its_queue_again(redis: Redis) -> None:
    scheduler = a_scheduler(redis)
    await scheduler.schedule_many([a_plan()])
    for node in await redis.nodes():
        await node.command("FLUSHALL")

    await scheduler.schedule_many([a_plan(KEY_TWO)])

    assert await redis.command("HGET", name_of(redis, ":Q"), "vt") == b"30"
    assert keys_of((await scheduler.take_due(10)).items) == [KEY_TWO]


async def test_without_a_server_every_call_says_that_the_schedule_is_unavailable(
    new_redis_server: Callable[..., RedisServer],
) -> None:
    server = new_redis_server()
    async with RedisClient(RedisOptions(port=server.port)) as redis:
        scheduler = a_scheduler(redis)
        await scheduler.schedule_many([a_plan()])
        due = (await scheduler.take_due(10)).items
        server.kill()

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: scheduler.schedule_many([a_plan(a_key(number)) for number in range(300)]),
            lambda: scheduler.cancel_many([KEY]),
            lambda: scheduler.take_due(10),
            lambda: scheduler.settle_many(due),
            lambda: scheduler.postpone_many(due),
            scheduler.next_due,
        ]
        for call in calls:
            with pytest.raises(SchedulerUnavailable, match="the retry schedule in Redis is not available"):
                await call()


async def test_a_server_that_takes_no_writes_is_unavailable_and_loses_nothing(
    new_redis_server: Callable[..., RedisServer],
) -> None:
    server = new_redis_server()
    async with RedisClient(RedisOptions(port=server.port)) as redis:
        scheduler = a_scheduler(redis)
        await scheduler.schedule_many([a_plan()])
        server.command("CONFIG", "SET", "maxmemory", 1)

        with pytest.raises(SchedulerUnavailable, match="OOM"):
            await scheduler.schedule_many([a_plan(failed_attempt=2)])

        server.command("CONFIG", "SET", "maxmemory", 0)
        assert [due.plan.failed_attempt for due in (await scheduler.take_due(10)).items] == [1]


# --- trouble of one entry


async def test_an_entry_that_cannot_be_read_goes_to_the_dead_letters_and_holds_up_nobody(
    scheduler: RedisRetryScheduler, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await scheduler.schedule_many([a_plan(), a_plan(KEY_TWO)])
    await redis.command("HSET", name_of(redis, ":Q"), ID, '{"secret":')

    due = (await scheduler.take_due(10)).items

    assert keys_of(due) == [KEY_TWO]
    (dead,) = await redis.command("ZRANGE", name_of(redis, "-dlq"), 0, -1)
    assert await redis.command("HGET", name_of(redis, "-dlq:Q"), dead) == b'{"secret":'
    assert await redis.command("ZSCORE", name_of(redis), ID) is None
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert ID in line
    assert "secret" not in line


async def test_an_entry_without_a_body_is_removed(scheduler: RedisRetryScheduler, redis: Redis) -> None:
    await scheduler.schedule_many([a_plan()])
    await redis.command("HDEL", name_of(redis, ":Q"), ID)

    assert (await scheduler.take_due(10)).next_due is None
    assert await redis.command("EXISTS", name_of(redis)) == 0


async def test_giving_up_is_logged_with_all_that_finds_the_entry(
    scheduler: RedisRetryScheduler, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """FIX-23."""
    await scheduler.schedule_many([a_plan()])
    await redis.command("HSET", name_of(redis, ":Q"), f"{ID}:rc", 5)

    await scheduler.postpone_many((await scheduler.take_due(10)).items)

    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert vars(line)["fields"] == {
        "queue": "deliverymq-retry",
        "dlq": "deliverymq-retry-dlq",
        "message_id": ID,
        "receive_count": 6,
        "tenant_id": "acme",
        "event_id": "evt_1",
        "destination_id": "des_1",
    }


# --- several queues, and few commands


async def test_another_queue_has_entries_of_its_own(redis: Redis) -> None:
    retries, parked = a_scheduler(redis), a_scheduler(redis, queue="deliverymq-parked")
    await retries.schedule_many([a_plan()])
    await parked.schedule_many([a_plan(failed_attempt=7), a_plan(KEY_TWO)])

    await parked.cancel_many([KEY_TWO])

    assert [due.plan.failed_attempt for due in (await retries.take_due(10)).items] == [1]
    assert [due.plan.failed_attempt for due in (await parked.take_due(10)).items] == [7]


async def test_many_entries_cost_few_commands(single: Redis, redis_server: RedisServer) -> None:
    scheduler = a_scheduler(single)
    await scheduler.schedule_many([a_plan()])
    redis_server.command("CONFIG", "RESETSTAT")

    await scheduler.schedule_many([a_plan(a_key(number)) for number in range(250)])

    assert "cmdstat_evalsha:calls=3," in redis_server.command("INFO", "commandstats").decode()
