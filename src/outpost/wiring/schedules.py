"""What waits for its time in Redis: retries, and the tasks of slow destinations that were parked."""

from datetime import timedelta

from outpost.clients.redis import Redis
from outpost.config.settings import Settings
from outpost.pipeline.lanes import Lanes
from outpost.pipeline.parking import SHORTEST_STAY, Parking
from outpost.pipeline.settle import Settler
from outpost.pipeline.wake import RetryMonitor
from outpost.ports.clock import Clock
from outpost.ports.log_store import LogStore
from outpost.ports.queue import Queue
from outpost.schedulers.redis import RedisRetryScheduler
from outpost.schedulers.redis_body import keeps_event
from outpost.wiring.redis import key_prefix
from outpost.workers.supervisor import Worker

RETRIES = "deliverymq-retry"
PARKED = "deliverymq-parked"


def retry_schedule(settings: Settings, clock: Clock, redis: Redis) -> RedisRetryScheduler:
    return _schedule(settings, clock, redis, RETRIES)


def open_parking(
    settings: Settings, clock: Clock, redis: Redis, log: LogStore, deliveries: Queue, lanes: Lanes, settler: Settler
) -> tuple[Parking, Worker]:
    """Return what parks tasks of `lanes`, and the worker that sends them back to the queue when their time has come."""
    parked = _schedule(settings, clock, redis, PARKED)
    monitor = RetryMonitor(schedule=parked, deliveries=deliveries, log=log, longest_sleep=SHORTEST_STAY, clock=clock)
    parking = Parking(
        lanes=lanes,
        deliveries=deliveries,
        schedule=parked,
        on_planned=monitor.planned,
        fits=keeps_event,
        is_stuck=settler.is_stuck,
        clock=clock,
    )
    return parking, Worker(names=("parkedmq-consumer",), run=monitor.run)


def _schedule(settings: Settings, clock: Clock, redis: Redis, queue: str) -> RedisRetryScheduler:
    return RedisRetryScheduler(
        redis,
        clock=clock,
        visibility=timedelta(seconds=settings.retry.visibility_timeout_seconds),
        prefix=key_prefix(settings),
        queue=queue,
        on_cluster=settings.redis.cluster_enabled,
    )
