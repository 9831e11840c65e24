"""The drivers of the retry schedule keep their port's promises."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from outpost.clients.redis import Redis, RedisClient, RedisCluster, RedisOptions
from outpost.conformance.builders import START
from outpost.conformance.retry_scheduler import RetrySchedulerConformance, RetrySchedulerHarness, a_plan
from outpost.ports.retry_scheduler import RetryKey
from outpost.schedulers.memory import MemoryRetryScheduler
from outpost.schedulers.redis import RedisRetryScheduler
from outpost.schedulers.redis_body import read_body
from tests.support.clock import SetClock
from tests.support.redis_time import age_scores
from tests.support.servers.redis import RedisServer, RedisServerCluster

VISIBILITY = timedelta(seconds=60)
"""So that the last pauses come to the longest one."""


class TestMemoryRetryScheduler(RetrySchedulerConformance):
    @pytest.fixture
    def harness(self) -> RetrySchedulerHarness:
        clock = SetClock(START)
        scheduler = MemoryRetryScheduler(clock=clock, visibility=VISIBILITY)

        async def elapse(time: timedelta) -> None:
            clock.now += time

        async def dead() -> Sequence[RetryKey]:
            return [plan.key for plan in scheduler.dead]

        return RetrySchedulerHarness(
            scheduler=scheduler, other=scheduler, visibility=VISIBILITY, now=clock, elapse=elapse, dead=dead
        )


class TestRedisRetryScheduler(RetrySchedulerConformance):
    @pytest.fixture
    async def harness(self, redis_server: RedisServer) -> AsyncIterator[RetrySchedulerHarness]:
        options = RedisOptions(port=redis_server.port)
        async with RedisClient(options) as one, RedisClient(options) as other:
            yield a_harness(one, other, [redis_server])


class TestRedisRetrySchedulerOfADeployment(RetrySchedulerConformance):
    """Everything holds as well beside another deployment, and beside another queue of the same."""

    @pytest.fixture
    async def harness(self, redis_server: RedisServer) -> AsyncIterator[RetrySchedulerHarness]:
        options = RedisOptions(port=redis_server.port)
        async with RedisClient(options) as one, RedisClient(options) as other:
            clock = SetClock(START)
            await RedisRetryScheduler(one, clock=clock, prefix="dp_002:").schedule_many([a_plan()])
            await RedisRetryScheduler(one, clock=clock, prefix="dp_001:", queue="parked").schedule_many([a_plan()])
            yield a_harness(one, other, [redis_server], prefix="dp_001:")


class TestRedisClusterRetryScheduler(RetrySchedulerConformance):
    @pytest.fixture
    async def harness(self, redis_cluster: RedisServerCluster) -> AsyncIterator[RetrySchedulerHarness]:
        options = RedisOptions(port=redis_cluster.nodes[0].port)
        async with RedisCluster(options) as one, RedisCluster(options) as other:
            yield a_harness(one, other, redis_cluster.nodes, prefix="dp_001:", on_cluster=True)


def a_harness(
    one: Redis, other: Redis, nodes: Sequence[RedisServer], *, prefix: str = "", on_cluster: bool = False
) -> RetrySchedulerHarness:
    clock = SetClock(START)

    async def elapse(time: timedelta) -> None:
        clock.now += time
        age_scores(nodes, time)

    async def dead() -> Sequence[RetryKey]:
        queue = "{deliverymq-retry}-dlq" if on_cluster else "deliverymq-retry-dlq"
        ids = await one.command("ZRANGE", f"{prefix}rsmq:{queue}", 0, -1)
        bodies = [await one.command("HGET", f"{prefix}rsmq:{queue}:Q", id_) for id_ in ids]
        return [read_body(body, due_at=START).key for body in bodies]

    schedulers = [
        RedisRetryScheduler(redis, clock=clock, visibility=VISIBILITY, prefix=prefix, on_cluster=on_cluster)
        for redis in (one, other)
    ]
    return RetrySchedulerHarness(
        scheduler=schedulers[0], other=schedulers[1], visibility=VISIBILITY, now=clock, elapse=elapse, dead=dead
    )
