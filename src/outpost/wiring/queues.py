"""The queues between the roles, at the configured broker."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import assert_never

import msgspec

from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError
from outpost.ports.queue import Queue

DELIVERY_PREFETCH = 2_048
"""Tasks in memory: those in flight, and as many more as keep every destination's lane supplied."""


class Queues(msgspec.Struct, frozen=True):
    """Attributes:
    deliveries: Carries delivery tasks.
    entries: Carries attempts to the log.
    """

    deliveries: Queue
    entries: Queue


@asynccontextmanager
async def open_queues(settings: Settings) -> AsyncGenerator[Queues]:
    """Make sure that the queues are there, and open them.

    Raises:
        ConfigurationError: Something is missing at the broker, or no driver for it is built in.
        QueueUnavailable: The broker cannot be reached.
    """
    match settings.broker:
        case "rabbitmq":
            queues = await _rabbitmq(settings)
        case "aws_sqs" | "azure_servicebus" | "gcp_pubsub":
            raise ConfigurationError(
                f"this version speaks to RabbitMQ only, and the configuration chooses {settings.broker}; "
                "set RABBITMQ_SERVER_URL and remove the settings of the other broker"
            )
        case None:
            raise ConfigurationError("no broker is configured: set RABBITMQ_SERVER_URL")
        case _:
            assert_never(settings.broker)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(queues.entries)
        await stack.enter_async_context(queues.deliveries)
        yield queues


async def _rabbitmq(settings: Settings) -> Queues:
    from outpost.clients.amqp import AmqpOptions
    from outpost.queues.rabbitmq import RabbitMQQueue
    from outpost.queues.rabbitmq_topology import Topology, provision

    section, create = settings.rabbitmq, settings.queues.auto_provision
    try:
        options = AmqpOptions.parse(section.server_url, name="outpost")
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"RABBITMQ_SERVER_URL: {error}") from None
    deliveries = Topology(section.exchange, section.delivery_queue, section.delivery_dlq)
    entries = Topology(section.exchange, section.log_queue, section.log_dlq)
    await provision(options, [deliveries, entries], create=create)
    return Queues(
        deliveries=RabbitMQQueue(options, deliveries, auto_provision=create, prefetch=DELIVERY_PREFETCH),
        entries=RabbitMQQueue(
            options, entries, auto_provision=create, prefetch=max(settings.pipeline.log_batch_size, 1)
        ),
    )
