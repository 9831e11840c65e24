"""The queues between the roles, at the configured broker."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, assert_never

import msgspec

from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError
from outpost.ports.queue import Queue

if TYPE_CHECKING:
    from outpost.clients.amqp import AmqpOptions
    from outpost.queues.rabbitmq_topology import Topology

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
    queues = await _rabbitmq(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(queues.entries)
        await stack.enter_async_context(queues.deliveries)
        yield queues


def amqp_options(settings: Settings) -> "AmqpOptions":
    """Return how to reach the configured broker.

    Raises:
        ConfigurationError: There is none, it is not a RabbitMQ, or its address cannot be read.
    """
    from outpost.clients.amqp import AmqpOptions

    match settings.broker:
        case "rabbitmq":
            pass
        case "aws_sqs" | "azure_servicebus" | "gcp_pubsub":
            raise ConfigurationError(
                f"this version speaks to RabbitMQ only, and the configuration chooses {settings.broker}; "
                "set RABBITMQ_SERVER_URL and remove the settings of the other broker"
            )
        case None:
            raise ConfigurationError("no broker is configured: set RABBITMQ_SERVER_URL")
        case _:
            assert_never(settings.broker)
    try:
        return AmqpOptions.parse(settings.rabbitmq.server_url, name="outpost")
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"RABBITMQ_SERVER_URL: {error}") from None


def topologies(settings: Settings) -> "tuple[Topology, Topology]":
    """Return the queue of delivery tasks and that of log entries, each with its dead letters."""
    from outpost.queues.rabbitmq_topology import Topology

    section = settings.rabbitmq
    return (
        Topology(section.exchange, section.delivery_queue, section.delivery_dlq),
        Topology(section.exchange, section.log_queue, section.log_dlq),
    )


async def _rabbitmq(settings: Settings) -> Queues:
    from outpost.queues.rabbitmq import RabbitMQQueue
    from outpost.queues.rabbitmq_topology import provision

    options, create = amqp_options(settings), settings.queues.auto_provision
    deliveries, entries = topologies(settings)
    await provision(options, [deliveries, entries], create=create)
    return Queues(
        deliveries=RabbitMQQueue(options, deliveries, auto_provision=create, prefetch=DELIVERY_PREFETCH),
        entries=RabbitMQQueue(
            options, entries, auto_provision=create, prefetch=max(settings.pipeline.log_batch_size, 1)
        ),
    )
