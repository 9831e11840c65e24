"""FIX-22: retries that were given up go back into the schedule, whichever program gave them up."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from outpost.clients.redis import Redis, RedisClient, RedisCluster, RedisOptions
from outpost.conformance.retry_scheduler import a_key, a_plan, keys_of
from outpost.domain.errors import SchedulerUnavailable
from outpost.ports.dead_letters import Redriven
from outpost.schedulers import redis_dead_letters
from outpost.schedulers.redis import RedisRetryScheduler
from outpost.schedulers.redis_dead_letters import RedisDeadLetters
from tests.support.builders import START, an_event
from tests.support.clock import SetClock
from tests.support.servers import free_port

_VISIBILITY = timedelta(seconds=30)
_HOUR = timedelta(hours=1)


def _scheduler(redis: Redis) -> RedisRetryScheduler:
    on_cluster = isinstance(redis, RedisCluster)
    return RedisRetryScheduler(redis, clock=SetClock(START), visibility=_VISIBILITY, on_cluster=on_cluster)


def _letters(redis: Redis) -> RedisDeadLetters:
    on_cluster = isinstance(redis, RedisCluster)
    return RedisDeadLetters(redis, queue="deliverymq-retry", on_cluster=on_cluster, visibility=_VISIBILITY)


async def _bury(redis: Redis, *bodies: bytes) -> None:
    """Leave dead letters as the original does: a generated id, due at once."""
    place = _letters(redis).place
    for number, body in enumerate(bodies):
        id_ = f"1e8b6g5y2q{number:022d}"
        await redis.command("ZADD", place, 1_700_000_000_000 + number, id_)
        await redis.command("HSET", f"{place}:Q", id_, body)


def _body(event: str, *, tenant: str = "acme") -> bytes:
    return f'{{"EventID":"{event}","TenantID":"{tenant}","DestinationID":"des_1","Telemetry":null}}'.encode()


async def test_what_the_original_gave_up_is_due_at_once(redis: Redis) -> None:
    await _bury(redis, *[_body(f"evt_{number}") for number in range(250)])
    letters = _letters(redis)

    assert await letters.count() == 250
    assert await letters.oldest_at() == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert await letters.redrive() == Redriven(moved=250)

    assert await letters.count() == 0
    assert await redis.command("HLEN", f"{letters.place}:Q") == 0
    due = (await _scheduler(redis).take_due(500)).items
    assert sorted(key.event_id for key in keys_of(due)) == sorted(f"evt_{number}" for number in range(250))


async def test_what_this_program_gave_up_keeps_its_event_and_the_number_of_its_attempt(redis: Redis) -> None:
    scheduler, event = _scheduler(redis), an_event("evt_1")
    await scheduler.schedule_many([a_plan(a_key(1), failed_attempt=3, event=event)])
    for _ in range(6):
        due = (await scheduler.take_due(10)).items
        await scheduler.postpone_many(due)
        content = _letters(redis).place.removesuffix("-dlq")
        for id_ in await redis.command("ZRANGE", content, 0, -1):
            await redis.command("ZADD", content, 0, id_)
    assert await _letters(redis).count() == 1

    assert await _letters(redis).redrive() == Redriven(moved=1)

    (again,) = (await scheduler.take_due(10)).items
    assert again.plan.key == a_key(1)
    assert (again.plan.failed_attempt, again.plan.event) == (3, event)


async def test_one_that_was_planned_anew_since_is_not_planned_twice(redis: Redis) -> None:
    """A person has asked for it meanwhile: what is planned now is later than what died."""
    await _bury(redis, _body("evt_1"), _body("evt_2"))
    scheduler = _scheduler(redis)
    key = a_key(1)
    await scheduler.schedule_many([a_plan(key, failed_attempt=5, due_in=_HOUR)])

    assert await _letters(redis).redrive() == Redriven(moved=1, superseded=1)

    assert [key.event_id for key in keys_of((await scheduler.take_due(10)).items)] == ["evt_2"]
    assert await _letters(redis).count() == 0


async def test_what_cannot_be_read_stays_and_holds_up_nobody(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_dead_letters, "_AT_ONCE", 2)
    await _bury(redis, b'{"secret":', b"", b"[]", _body("evt_1"), b"{}", _body("evt_2"))
    await redis.command("ZADD", _letters(redis).place, 1, "z" * 32)  # of this one nothing but its id is left

    assert await _letters(redis).redrive() == Redriven(moved=2, left=5)

    assert await _letters(redis).count() == 5
    assert await _letters(redis).redrive() == Redriven(left=5)


async def test_two_who_send_back_at_once_send_each_of_them_once(redis: Redis) -> None:
    await _bury(redis, *[_body(f"evt_{number}") for number in range(250)])

    first, second = await asyncio.gather(_letters(redis).redrive(), _letters(redis).redrive())

    assert (first.moved + second.moved, first.superseded + second.superseded, first.left + second.left) == (250, 0, 0)
    assert len((await _scheduler(redis).take_due(500)).items) == 250


async def test_one_whose_id_is_anothers_goes_back_beside_it(redis: Redis) -> None:
    """The original gives the retries of two tenants one id if event and destination are called the same."""
    for tenant in ("umbrella", "acme"):
        await _bury(redis, _body("evt_1", tenant=tenant))
        assert await _letters(redis).redrive() == Redriven(moved=1)
    await _bury(redis, _body("evt_1", tenant="acme"))

    assert await _letters(redis).redrive() == Redriven(superseded=1)

    due = (await _scheduler(redis).take_due(10)).items
    assert sorted(key.tenant_id for key in keys_of(due)) == ["acme", "umbrella"]


async def test_they_go_back_into_a_schedule_that_was_not_there_as_into_one_that_is_new(redis: Redis) -> None:
    await _bury(redis, _body("evt_1"))

    await _letters(redis).redrive()

    schedule = _letters(redis).place.removesuffix("-dlq")
    names = f"{schedule}:QUEUES" if isinstance(redis, RedisCluster) else "rsmq:QUEUES"
    assert await redis.command("SMEMBERS", names) == [b"deliverymq-retry"]
    assert await redis.command("HMGET", f"{schedule}:Q", "vt", "totalsent") == [b"30", b"1"]


async def test_no_more_than_were_asked_for_go_back(redis: Redis) -> None:
    await _bury(redis, _body("evt_1"), _body("evt_2"), _body("evt_3"))

    assert await _letters(redis).redrive(2) == Redriven(moved=2)

    due = (await _scheduler(redis).take_due(10)).items
    assert {key.event_id for key in keys_of(due)} == {"evt_1", "evt_2"}
    assert await _letters(redis).count() == 1


async def test_none_is_nothing_to_do(redis: Redis) -> None:
    assert await _letters(redis).oldest_at() is None
    assert await _letters(redis).redrive() == Redriven()


async def test_a_server_that_is_away_is_said() -> None:
    async with RedisClient(RedisOptions(port=free_port())) as redis:
        with pytest.raises(SchedulerUnavailable):
            await _letters(redis).count()
