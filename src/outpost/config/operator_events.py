"""Settings of notices about Outpost itself."""

from typing import Annotated, ClassVar, Literal

from outpost.config import checks
from outpost.config.setting import Key, Section

OperatorEventSink = Literal["http", "aws_sqs", "gcp_pubsub", "rabbitmq"]


class OperatorEventSettings(Section, frozen=True, kw_only=True):
    """Notices about tenants, destinations and alerts, sent to the first configured of HTTP, SQS, Pub/Sub, RabbitMQ."""

    title: ClassVar[str] = "Operator events"

    topics: Annotated[
        tuple[str, ...],
        Key(
            "OPERATOR_EVENTS_TOPICS",
            "operator_events.topics",
            "Notices to send; empty is none, `*` is all.",
            aliases=("OPERATION_EVENTS_TOPICS",),
            ignored=True,
        ),
    ] = ()
    http_url: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_HTTP_URL",
            "operator_events.http.url",
            "Where to post them; chooses HTTP.",
            url=True,
            check=checks.http_url,
            aliases=("OPERATION_EVENTS_HTTP_URL",),
            ignored=True,
        ),
    ] = ""
    http_signing_secret: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_HTTP_SIGNING_SECRET",
            "operator_events.http.signing_secret",
            "Signs each post.",
            secret=True,
            aliases=("OPERATION_EVENTS_HTTP_SIGNING_SECRET",),
            ignored=True,
        ),
    ] = ""
    aws_sqs_queue_url: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_AWS_SQS_QUEUE_URL",
            "operator_events.aws_sqs.queue_url",
            "Queue to send them to; chooses SQS.",
            url=True,
            aliases=("OPERATION_EVENTS_AWS_SQS_QUEUE_URL",),
            ignored=True,
        ),
    ] = ""
    aws_sqs_access_key_id: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_AWS_SQS_ACCESS_KEY_ID",
            "operator_events.aws_sqs.access_key_id",
            "Access key; both keys or none.",
            secret=True,
            aliases=("OPERATION_EVENTS_AWS_SQS_ACCESS_KEY_ID",),
            ignored=True,
        ),
    ] = ""
    aws_sqs_secret_access_key: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_AWS_SQS_SECRET_ACCESS_KEY",
            "operator_events.aws_sqs.secret_access_key",
            "Secret key; both keys or none.",
            secret=True,
            aliases=("OPERATION_EVENTS_AWS_SQS_SECRET_ACCESS_KEY",),
            ignored=True,
        ),
    ] = ""
    aws_sqs_region: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_AWS_SQS_REGION",
            "operator_events.aws_sqs.region",
            "Region.",
            aliases=("OPERATION_EVENTS_AWS_SQS_REGION",),
            ignored=True,
        ),
    ] = ""
    aws_sqs_endpoint: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_AWS_SQS_ENDPOINT",
            "operator_events.aws_sqs.endpoint",
            "Another address of the service.",
            url=True,
            aliases=("OPERATION_EVENTS_AWS_SQS_ENDPOINT",),
            ignored=True,
        ),
    ] = ""
    gcp_pubsub_project_id: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_GCP_PUBSUB_PROJECT_ID",
            "operator_events.gcp_pubsub.project_id",
            "Project; chooses Pub/Sub.",
            aliases=("OPERATION_EVENTS_GCP_PUBSUB_PROJECT_ID",),
            ignored=True,
        ),
    ] = ""
    gcp_pubsub_topic_id: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_GCP_PUBSUB_TOPIC_ID",
            "operator_events.gcp_pubsub.topic_id",
            "Topic.",
            aliases=("OPERATION_EVENTS_GCP_PUBSUB_TOPIC_ID",),
            ignored=True,
        ),
    ] = ""
    gcp_pubsub_credentials: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_GCP_PUBSUB_CREDENTIALS",
            "operator_events.gcp_pubsub.credentials",
            "Service account as JSON text; empty uses the credentials of the environment.",
            secret=True,
            aliases=("OPERATION_EVENTS_GCP_PUBSUB_CREDENTIALS",),
            ignored=True,
        ),
    ] = ""
    rabbitmq_server_url: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_RABBITMQ_SERVER_URL",
            "operator_events.rabbitmq.server_url",
            "`amqp://` or `amqps://` URL of the broker; chooses RabbitMQ.",
            secret=True,
            url=True,
            check=checks.amqp_url,
            aliases=("OPERATION_EVENTS_RABBITMQ_SERVER_URL",),
            ignored=True,
        ),
    ] = ""
    rabbitmq_exchange: Annotated[
        str,
        Key(
            "OPERATOR_EVENTS_RABBITMQ_EXCHANGE",
            "operator_events.rabbitmq.exchange",
            "Exchange.",
            aliases=("OPERATION_EVENTS_RABBITMQ_EXCHANGE",),
            ignored=True,
        ),
    ] = ""

    @property
    def sink(self) -> OperatorEventSink | None:
        """Which of the targets is used; None when no target is configured."""
        if self.http_url:
            return "http"
        if self.aws_sqs_queue_url:
            return "aws_sqs"
        if self.gcp_pubsub_project_id:
            return "gcp_pubsub"
        return "rabbitmq" if self.rabbitmq_server_url else None
