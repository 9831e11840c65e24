"""Settings of the queues between the roles, one section per broker."""

from typing import Annotated, ClassVar, Literal

import msgspec

from outpost.config import checks
from outpost.config.setting import Key, Section

Broker = Literal["aws_sqs", "azure_servicebus", "gcp_pubsub", "rabbitmq"]


class QueueSettings(Section, frozen=True, kw_only=True):
    """What holds for every broker. Exactly one broker carries the queues: the first configured of SQS, Service Bus,
    Pub/Sub, RabbitMQ. This version speaks to RabbitMQ only: `serve` refuses to start with another."""

    title: ClassVar[str] = "Queues (distributed profile)"

    auto_provision: Annotated[
        bool,
        Key(
            "MQS_AUTO_PROVISION",
            "mqs.auto_provision",
            "Create missing queues at start. Off: only look, and refuse to start when one is missing.",
        ),
    ] = True


class RabbitMQQueueSettings(Section, frozen=True, kw_only=True):
    """Chosen by its server URL."""

    title: ClassVar[str] = "Queues on RabbitMQ"

    server_url: Annotated[
        str,
        Key(
            "RABBITMQ_SERVER_URL",
            "mqs.rabbitmq.server_url",
            "`amqp://` or `amqps://` URL of the broker.",
            secret=True,
            url=True,
            check=checks.amqp_url,
            shown="rabbitmq_url",
        ),
    ] = ""
    exchange: Annotated[str, Key("RABBITMQ_EXCHANGE", "mqs.rabbitmq.exchange", "Exchange.")] = "outpost"
    delivery_queue: Annotated[
        str, Key("RABBITMQ_DELIVERY_QUEUE", "mqs.rabbitmq.delivery_queue", "Queue of delivery tasks.")
    ] = "outpost-delivery"
    log_queue: Annotated[str, Key("RABBITMQ_LOG_QUEUE", "mqs.rabbitmq.log_queue", "Queue of attempts to record.")] = (
        "outpost-log"
    )
    delivery_dlq: Annotated[
        str,
        Key(
            "RABBITMQ_DELIVERY_DLQ",
            "mqs.rabbitmq.delivery_dlq",
            "Where delivery tasks go that cannot be handled.",
            default_text="`<delivery_queue>.dlq`",
        ),
    ] = ""
    log_dlq: Annotated[
        str,
        Key(
            "RABBITMQ_LOG_DLQ",
            "mqs.rabbitmq.log_dlq",
            "Where attempts go that cannot be recorded.",
            default_text="`<log_queue>.dlq`",
        ),
    ] = ""

    def __post_init__(self) -> None:
        _fill(self, "delivery_dlq", f"{self.delivery_queue}.dlq")
        _fill(self, "log_dlq", f"{self.log_queue}.dlq")


class AwsSqsQueueSettings(Section, frozen=True, kw_only=True):
    """Not in this version. Chosen by its region. Without the two keys the credentials come from the environment the
    process runs in."""

    title: ClassVar[str] = "Queues on AWS SQS"

    region: Annotated[str, Key("AWS_SQS_REGION", "mqs.aws_sqs.region", "Region.", shown="aws_region")] = ""
    access_key_id: Annotated[
        str,
        Key(
            "AWS_SQS_ACCESS_KEY_ID",
            "mqs.aws_sqs.access_key_id",
            "Access key; both keys or none.",
            secret=True,
            shown="aws_access_key",
        ),
    ] = ""
    secret_access_key: Annotated[
        str,
        Key(
            "AWS_SQS_SECRET_ACCESS_KEY",
            "mqs.aws_sqs.secret_access_key",
            "Secret key; both keys or none.",
            secret=True,
            shown="aws_secret_key",
        ),
    ] = ""
    endpoint: Annotated[
        str,
        Key("AWS_SQS_ENDPOINT", "mqs.aws_sqs.endpoint", "Another address of the service.", url=True),
    ] = ""
    delivery_queue: Annotated[
        str,
        Key(
            "AWS_SQS_DELIVERY_QUEUE",
            "mqs.aws_sqs.delivery_queue",
            "Queue of delivery tasks.",
            shown="aws_delivery_queue",
        ),
    ] = "outpost-delivery"
    log_queue: Annotated[
        str,
        Key("AWS_SQS_LOG_QUEUE", "mqs.aws_sqs.log_queue", "Queue of attempts to record.", shown="aws_log_queue"),
    ] = "outpost-log"
    delivery_dlq: Annotated[
        str,
        Key(
            "AWS_SQS_DELIVERY_DLQ",
            "mqs.aws_sqs.delivery_dlq",
            "Where delivery tasks go that cannot be handled.",
            default_text="`<delivery_queue>-dlq`",
            shown="aws_delivery_dlq",
        ),
    ] = ""
    log_dlq: Annotated[
        str,
        Key(
            "AWS_SQS_LOG_DLQ",
            "mqs.aws_sqs.log_dlq",
            "Where attempts go that cannot be recorded.",
            default_text="`<log_queue>-dlq`",
            shown="aws_log_dlq",
        ),
    ] = ""

    def __post_init__(self) -> None:
        _fill(self, "delivery_dlq", f"{self.delivery_queue}-dlq")
        _fill(self, "log_dlq", f"{self.log_queue}-dlq")


class GcpPubSubQueueSettings(Section, frozen=True, kw_only=True):
    """Not in this version. Chosen by its project."""

    title: ClassVar[str] = "Queues on GCP Pub/Sub"

    project: Annotated[str, Key("GCP_PUBSUB_PROJECT", "mqs.gcp_pubsub.project", "Project.", shown="gcp_project_id")] = (
        ""
    )
    service_account_credentials: Annotated[
        str,
        Key(
            "GCP_PUBSUB_SERVICE_ACCOUNT_CREDENTIALS",
            "mqs.gcp_pubsub.service_account_credentials",
            "Service account as JSON text or path of its file; empty uses the credentials of the environment.",
            secret=True,
            shown="gcp_credentials",
        ),
    ] = ""
    delivery_topic: Annotated[
        str,
        Key(
            "GCP_PUBSUB_DELIVERY_TOPIC",
            "mqs.gcp_pubsub.delivery_topic",
            "Topic of delivery tasks.",
            shown="gcp_delivery_topic",
        ),
    ] = "outpost-delivery"
    delivery_subscription: Annotated[
        str,
        Key(
            "GCP_PUBSUB_DELIVERY_SUBSCRIPTION",
            "mqs.gcp_pubsub.delivery_subscription",
            "Its subscription.",
            shown="gcp_delivery_subscription",
        ),
    ] = "outpost-delivery-sub"
    log_topic: Annotated[
        str,
        Key(
            "GCP_PUBSUB_LOG_TOPIC",
            "mqs.gcp_pubsub.log_topic",
            "Topic of attempts to record.",
            shown="gcp_log_topic",
        ),
    ] = "outpost-log"
    log_subscription: Annotated[
        str,
        Key(
            "GCP_PUBSUB_LOG_SUBSCRIPTION",
            "mqs.gcp_pubsub.log_subscription",
            "Its subscription.",
            shown="gcp_log_subscription",
        ),
    ] = "outpost-log-sub"
    delivery_dlq_topic: Annotated[
        str,
        Key(
            "GCP_PUBSUB_DELIVERY_DLQ_TOPIC",
            "mqs.gcp_pubsub.delivery_dlq_topic",
            "Where delivery tasks go that cannot be handled.",
            default_text="`<delivery_topic>-dlq`",
            shown="gcp_delivery_dlq_topic",
        ),
    ] = ""
    delivery_dlq_subscription: Annotated[
        str,
        Key(
            "GCP_PUBSUB_DELIVERY_DLQ_SUBSCRIPTION",
            "mqs.gcp_pubsub.delivery_dlq_subscription",
            "Its subscription.",
            default_text="`<delivery_dlq_topic>-sub`",
            shown="gcp_delivery_dlq_subscription",
        ),
    ] = ""
    log_dlq_topic: Annotated[
        str,
        Key(
            "GCP_PUBSUB_LOG_DLQ_TOPIC",
            "mqs.gcp_pubsub.log_dlq_topic",
            "Where attempts go that cannot be recorded.",
            default_text="`<log_topic>-dlq`",
            shown="gcp_log_dlq_topic",
        ),
    ] = ""
    log_dlq_subscription: Annotated[
        str,
        Key(
            "GCP_PUBSUB_LOG_DLQ_SUBSCRIPTION",
            "mqs.gcp_pubsub.log_dlq_subscription",
            "Its subscription.",
            default_text="`<log_dlq_topic>-sub`",
            shown="gcp_log_dlq_subscription",
        ),
    ] = ""

    def __post_init__(self) -> None:
        _fill(self, "delivery_dlq_topic", f"{self.delivery_topic}-dlq")
        _fill(self, "delivery_dlq_subscription", f"{self.delivery_dlq_topic}-sub")
        _fill(self, "log_dlq_topic", f"{self.log_topic}-dlq")
        _fill(self, "log_dlq_subscription", f"{self.log_dlq_topic}-sub")


class AzureServiceBusQueueSettings(Section, frozen=True, kw_only=True):
    """Not in this version. Chosen by a connection string, or by all six values of a service principal."""

    title: ClassVar[str] = "Queues on Azure Service Bus"

    connection_string: Annotated[
        str,
        Key(
            "AZURE_SERVICEBUS_CONNECTION_STRING",
            "mqs.azure_servicebus.connection_string",
            "Connection string; with it nothing is created or looked for at start.",
            secret=True,
            shown="azure_connection_string",
        ),
    ] = ""
    tenant_id: Annotated[
        str,
        Key("AZURE_SERVICEBUS_TENANT_ID", "mqs.azure_servicebus.tenant_id", "Directory of the service principal."),
    ] = ""
    client_id: Annotated[
        str, Key("AZURE_SERVICEBUS_CLIENT_ID", "mqs.azure_servicebus.client_id", "Its application id.")
    ] = ""
    client_secret: Annotated[
        str,
        Key("AZURE_SERVICEBUS_CLIENT_SECRET", "mqs.azure_servicebus.client_secret", "Its secret.", secret=True),
    ] = ""
    subscription_id: Annotated[
        str,
        Key(
            "AZURE_SERVICEBUS_SUBSCRIPTION_ID",
            "mqs.azure_servicebus.subscription_id",
            "Azure subscription of the namespace.",
        ),
    ] = ""
    resource_group: Annotated[
        str,
        Key("AZURE_SERVICEBUS_RESOURCE_GROUP", "mqs.azure_servicebus.resource_group", "Its resource group."),
    ] = ""
    namespace: Annotated[
        str,
        Key(
            "AZURE_SERVICEBUS_NAMESPACE",
            "mqs.azure_servicebus.namespace",
            "Short name; the host is `<namespace>.servicebus.windows.net`.",
        ),
    ] = ""
    delivery_topic: Annotated[
        str,
        Key(
            "AZURE_SERVICEBUS_DELIVERY_TOPIC",
            "mqs.azure_servicebus.delivery_topic",
            "Topic of delivery tasks.",
            shown="azure_delivery_topic",
        ),
    ] = "outpost-delivery"
    delivery_subscription: Annotated[
        str,
        Key(
            "AZURE_SERVICEBUS_DELIVERY_SUBSCRIPTION",
            "mqs.azure_servicebus.delivery_subscription",
            "Its subscription.",
            shown="azure_delivery_subscription",
        ),
    ] = "outpost-delivery-sub"
    log_topic: Annotated[
        str,
        Key(
            "AZURE_SERVICEBUS_LOG_TOPIC",
            "mqs.azure_servicebus.log_topic",
            "Topic of attempts to record.",
            shown="azure_log_topic",
        ),
    ] = "outpost-log"
    log_subscription: Annotated[
        str,
        Key(
            "AZURE_SERVICEBUS_LOG_SUBSCRIPTION",
            "mqs.azure_servicebus.log_subscription",
            "Its subscription.",
            shown="azure_log_subscription",
        ),
    ] = "outpost-log-sub"

    @property
    def is_configured(self) -> bool:
        principal = (self.tenant_id, self.client_id, self.client_secret)
        place = (self.subscription_id, self.resource_group, self.namespace)
        return bool(self.connection_string) or all((*principal, *place))


def _fill(section: Section, field: str, value: str) -> None:
    """Give a field that was left empty the value derived from its neighbours."""
    if not getattr(section, field):
        msgspec.structs.force_setattr(section, field, value)
