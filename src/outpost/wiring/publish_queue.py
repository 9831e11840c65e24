"""The queue that events may be published through, if one is configured."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, assert_never

from outpost.api.errors import Problem
from outpost.api.routes.publish import decode_publish
from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError, ValidationFailed
from outpost.pipeline.publish import PublishCommand, Submit
from outpost.pipeline.publish_intake import PublishIntake
from outpost.workers.supervisor import Worker

if TYPE_CHECKING:
    from outpost.queues.rabbitmq_inbox import RabbitMQInbox


async def publish_workers(stack: AsyncExitStack, settings: Settings, publish: Submit) -> list[Worker]:
    """Return the worker that reads the publish queue, if there is one.

    Args:
        stack: Closes the queue.
        publish: The API's own way to accept an event.

    Raises:
        ConfigurationError: Its address cannot be read, or no driver for it is built in.
    """
    match settings.publish_broker:
        case None:
            return []
        case "rabbitmq":
            inbox = await stack.enter_async_context(_rabbitmq(settings))
        case "aws_sqs" | "azure_servicebus" | "gcp_pubsub":
            raise ConfigurationError(
                f"this version reads a publish queue at RabbitMQ only, and the configuration chooses "
                f"{settings.publish_broker}; set PUBLISH_RABBITMQ_SERVER_URL and remove the other PUBLISH_ settings"
            )
        case _:
            assert_never(settings.publish_broker)
    intake = PublishIntake(inbox=inbox, decode=_decode, publish=publish)
    return [Worker(names=("publishmq-consumer",), run=intake.run, is_well=lambda: inbox.is_connected)]


def _rabbitmq(settings: Settings) -> "RabbitMQInbox":
    from outpost.clients.amqp import AmqpOptions
    from outpost.queues.rabbitmq_inbox import RabbitMQInbox
    from outpost.queues.rabbitmq_prefetch import Prefetch

    section = settings.publish_rabbitmq
    try:
        options = AmqpOptions.parse(section.server_url, name="outpost publish")
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"PUBLISH_RABBITMQ_SERVER_URL: {error}") from None
    return RabbitMQInbox(options, section.queue, prefetch=Prefetch(settings.pipeline.publish_max_concurrency))


def _decode(body: bytes) -> PublishCommand:
    """Read what `POST /publish` reads; what the API would answer becomes the error."""
    try:
        return decode_publish(body)
    except Problem as problem:
        details = problem.data.values() if isinstance(problem.data, dict) else problem.data or ()
        raise ValidationFailed(str(problem), *map(str, details)) from None
