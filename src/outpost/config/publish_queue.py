"""Settings of the queue that events may be published through, one section per broker."""

from typing import Annotated, ClassVar

from outpost.config import checks
from outpost.config.setting import Key, Section


class PublishRabbitMQSettings(Section, frozen=True, kw_only=True):
    """Events are also taken from this queue, if it is configured. The first configured of SQS, Service Bus, Pub/Sub,
    RabbitMQ counts. This version reads RabbitMQ only: `serve` refuses to start with another."""

    title: ClassVar[str] = "Publish queue on RabbitMQ"

    server_url: Annotated[
        str,
        Key(
            "PUBLISH_RABBITMQ_SERVER_URL",
            "publishmq.rabbitmq.server_url",
            "`amqp://` or `amqps://` URL of the broker; chooses RabbitMQ.",
            secret=True,
            url=True,
            check=checks.amqp_url,
        ),
    ] = ""
    queue: Annotated[str, Key("PUBLISH_RABBITMQ_QUEUE", "publishmq.rabbitmq.queue", "Queue to read.")] = ""
    exchange: Annotated[
        str,
        Key(
            "PUBLISH_RABBITMQ_EXCHANGE", "publishmq.rabbitmq.exchange", "Exchange; not used for reading.", ignored=True
        ),
    ] = ""


class PublishAwsSqsSettings(Section, frozen=True, kw_only=True):
    """Not in this version. Chosen by its region."""

    title: ClassVar[str] = "Publish queue on AWS SQS"

    region: Annotated[str, Key("PUBLISH_AWS_SQS_REGION", "publishmq.aws_sqs.region", "Region.")] = ""
    queue: Annotated[str, Key("PUBLISH_AWS_SQS_QUEUE", "publishmq.aws_sqs.queue", "Queue to read.")] = ""
    access_key_id: Annotated[
        str,
        Key(
            "PUBLISH_AWS_SQS_ACCESS_KEY_ID",
            "publishmq.aws_sqs.access_key_id",
            "Access key; both keys or none.",
            secret=True,
        ),
    ] = ""
    secret_access_key: Annotated[
        str,
        Key(
            "PUBLISH_AWS_SQS_SECRET_ACCESS_KEY",
            "publishmq.aws_sqs.secret_access_key",
            "Secret key; both keys or none.",
            secret=True,
        ),
    ] = ""
    endpoint: Annotated[
        str,
        Key("PUBLISH_AWS_SQS_ENDPOINT", "publishmq.aws_sqs.endpoint", "Another address of the service.", url=True),
    ] = ""


class PublishGcpPubSubSettings(Section, frozen=True, kw_only=True):
    """Not in this version. Chosen by its project."""

    title: ClassVar[str] = "Publish queue on GCP Pub/Sub"

    project: Annotated[str, Key("PUBLISH_GCP_PUBSUB_PROJECT", "publishmq.gcp_pubsub.project", "Project.")] = ""
    topic: Annotated[str, Key("PUBLISH_GCP_PUBSUB_TOPIC", "publishmq.gcp_pubsub.topic", "Topic.")] = ""
    subscription: Annotated[
        str,
        Key("PUBLISH_GCP_PUBSUB_SUBSCRIPTION", "publishmq.gcp_pubsub.subscription", "Subscription to read."),
    ] = ""
    service_account_credentials: Annotated[
        str,
        Key(
            "PUBLISH_GCP_PUBSUB_SERVICE_ACCOUNT_CREDENTIALS",
            "publishmq.gcp_pubsub.service_account_credentials",
            "Service account as JSON text or path of its file; empty uses the credentials of the environment.",
            secret=True,
        ),
    ] = ""


class PublishAzureServiceBusSettings(Section, frozen=True, kw_only=True):
    """Not in this version. Chosen when all three are set."""

    title: ClassVar[str] = "Publish queue on Azure Service Bus"

    connection_string: Annotated[
        str,
        Key(
            "PUBLISH_AZURE_SERVICEBUS_CONNECTION_STRING",
            "publishmq.azure_servicebus.connection_string",
            "Connection string.",
            secret=True,
        ),
    ] = ""
    topic: Annotated[str, Key("PUBLISH_AZURE_SERVICEBUS_TOPIC", "publishmq.azure_servicebus.topic", "Topic.")] = ""
    subscription: Annotated[
        str,
        Key(
            "PUBLISH_AZURE_SERVICEBUS_SUBSCRIPTION",
            "publishmq.azure_servicebus.subscription",
            "Subscription to read.",
        ),
    ] = ""
