"""The dead letters of the configured queues and schedules."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError
from outpost.pipeline.messages import BrokenMessage, read_entry, read_task
from outpost.ports.dead_letters import DeadLetters
from outpost.queues.rabbitmq_dead_letters import RabbitMQDeadLetters
from outpost.schedulers.redis_dead_letters import RedisDeadLetters
from outpost.wiring.queues import amqp_options, topologies
from outpost.wiring.redis import key_prefix, redis_client
from outpost.wiring.schedules import PARKED, RETRIES


@asynccontextmanager
async def open_dead_letters(settings: Settings) -> AsyncGenerator[Mapping[str, DeadLetters]]:
    """Yield the dead letters by the name of what died: deliveries, log entries, retries, parked tasks.

    Raises:
        ConfigurationError: This profile or broker has none, or something that it needs is missing.
    """
    if settings.profile != "distributed":
        raise ConfigurationError(
            "the embedded profile has no dead letters: what is due stays in its file until it ends"
        )
    options = amqp_options(settings)
    visibility = timedelta(seconds=settings.retry.visibility_timeout_seconds)
    deliveries, entries = topologies(settings)
    async with aclosing(redis_client(settings.redis, name="outpost-dead-letters")) as redis:

        def of_schedule(queue: str) -> DeadLetters:
            return RedisDeadLetters(
                redis,
                queue=queue,
                prefix=key_prefix(settings),
                on_cluster=settings.redis.cluster_enabled,
                visibility=visibility,
            )

        yield {
            "delivery": RabbitMQDeadLetters(options, deliveries, can_be_read=_readable(read_task)),
            "log": RabbitMQDeadLetters(options, entries, can_be_read=_readable(read_entry)),
            "retry": of_schedule(RETRIES),
            "parked": of_schedule(PARKED),
        }


def _readable(read: Callable[[bytes], object]) -> Callable[[bytes], bool]:
    def can_be_read(body: bytes) -> bool:
        try:
            read(body)
        except BrokenMessage:
            return False
        return True

    return can_be_read
