"""All settings of a process, and the one table that describes them."""

from collections.abc import Mapping

import msgspec

from outpost.config import profile as profiles
from outpost.config.alert import AlertSettings
from outpost.config.api import ApiSettings
from outpost.config.clickhouse import ClickHouseSettings
from outpost.config.destinations import DestinationSettings
from outpost.config.egress import EgressSettings
from outpost.config.general import GeneralSettings, Profile
from outpost.config.ids import IdSettings
from outpost.config.operator_events import OperatorEventSettings
from outpost.config.otel import OtelSettings
from outpost.config.pipeline import PipelineSettings
from outpost.config.portal import PortalSettings
from outpost.config.postgres import PostgresSettings
from outpost.config.publish_queue import (
    PublishAwsSqsSettings,
    PublishAzureServiceBusSettings,
    PublishGcpPubSubSettings,
    PublishRabbitMQSettings,
)
from outpost.config.queues import (
    AwsSqsQueueSettings,
    AzureServiceBusQueueSettings,
    Broker,
    GcpPubSubQueueSettings,
    QueueSettings,
    RabbitMQQueueSettings,
)
from outpost.config.redis import RedisSettings
from outpost.config.retry import RetrySettings
from outpost.config.setting import Section, Setting, rows
from outpost.config.sqlite import SqliteSettings
from outpost.config.topics import TopicSettings
from outpost.config.usage_telemetry import UsageTelemetrySettings
from outpost.config.webhook import WebhookSettings
from outpost.domain.identifiers import IdStyle

# Naming anything in these sections chooses the distributed profile.
_SHARED_STORES = ("redis", "postgres", "clickhouse", "rabbitmq", "aws_sqs", "gcp_pubsub", "azure_servicebus")

BUILT_IN = "built in"
"""The source of what a command gives because nobody has set it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, by section; made by `outpost.config.load.load_settings`, or by hand in tests.

    Attributes:
        sources: Where each setting came from that was set at all, by row name (`redis.host`): "environment",
            "flag --redis-host", "/etc/outpost.yaml, line 3".
        warnings: What the operator should know about the configuration, one sentence each.
        config_file: Path of the file that was read; empty if there was none.
    """

    general: GeneralSettings = GeneralSettings()
    api: ApiSettings = ApiSettings()
    topics: TopicSettings = TopicSettings()
    sqlite: SqliteSettings = SqliteSettings()
    redis: RedisSettings = RedisSettings()
    postgres: PostgresSettings = PostgresSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    queues: QueueSettings = QueueSettings()
    rabbitmq: RabbitMQQueueSettings = RabbitMQQueueSettings()
    aws_sqs: AwsSqsQueueSettings = AwsSqsQueueSettings()
    gcp_pubsub: GcpPubSubQueueSettings = GcpPubSubQueueSettings()
    azure_servicebus: AzureServiceBusQueueSettings = AzureServiceBusQueueSettings()
    publish_rabbitmq: PublishRabbitMQSettings = PublishRabbitMQSettings()
    publish_aws_sqs: PublishAwsSqsSettings = PublishAwsSqsSettings()
    publish_gcp_pubsub: PublishGcpPubSubSettings = PublishGcpPubSubSettings()
    publish_azure_servicebus: PublishAzureServiceBusSettings = PublishAzureServiceBusSettings()
    pipeline: PipelineSettings = PipelineSettings()
    retry: RetrySettings = RetrySettings()
    alert: AlertSettings = AlertSettings()
    operator_events: OperatorEventSettings = OperatorEventSettings()
    destinations: DestinationSettings = DestinationSettings()
    webhook: WebhookSettings = WebhookSettings()
    egress: EgressSettings = EgressSettings()
    portal: PortalSettings = PortalSettings()
    ids: IdSettings = IdSettings()
    otel: OtelSettings = OtelSettings()
    usage_telemetry: UsageTelemetrySettings = UsageTelemetrySettings()
    sources: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()
    config_file: str = ""

    @property
    def profile(self) -> Profile:
        """Which set of stores this configuration chooses.

        Raises:
            ConfigurationError: It chooses none, or contradicts itself.
        """
        embedded, distributed = self._names_given("sqlite"), self._names_given(*_SHARED_STORES)
        return profiles.choose(self.general.profile, embedded=embedded, distributed=distributed)

    @property
    def id_style(self) -> IdStyle:
        """The form of new ids. Raises ConfigurationError if no profile is chosen."""
        return self.ids.style or ("uuidv7" if self.profile == "embedded" else "uuidv4")

    @property
    def broker(self) -> Broker | None:
        """Which broker carries the queues of the distributed profile; the first configured."""
        if self.aws_sqs.region:
            return "aws_sqs"
        if self.azure_servicebus.is_configured:
            return "azure_servicebus"
        if self.gcp_pubsub.project:
            return "gcp_pubsub"
        return "rabbitmq" if self.rabbitmq.server_url else None

    @property
    def publish_broker(self) -> Broker | None:
        """Which broker events are also published through, if any; the first configured."""
        azure = self.publish_azure_servicebus
        if self.publish_aws_sqs.region:
            return "aws_sqs"
        if azure.connection_string and azure.topic and azure.subscription:
            return "azure_servicebus"
        if self.publish_gcp_pubsub.project:
            return "gcp_pubsub"
        return "rabbitmq" if self.publish_rabbitmq.server_url else None

    def is_set(self, env: str) -> bool:
        """Say whether the operator has set the setting of this environment name, be it to its default."""
        return any(self.sources.get(row.name, BUILT_IN) != BUILT_IN for row in SETTINGS if row.key.env == env)

    def configures(self, section: str) -> bool:
        """Say whether anything of this section was set."""
        return bool(self._names_given(section))

    def value(self, setting: Setting) -> object:
        return getattr(getattr(self, setting.section), setting.field)

    def _names_given(self, *sections: str) -> tuple[str, ...]:
        """Environment names of settings in `sections` that were set to something."""
        touched = (
            row
            for row in SETTINGS
            if row.section in sections
            and (self.value(row) != row.default or (row.name in self.sources and self.value(row) != ""))
        )
        return tuple(row.key.env for row in touched)


SECTIONS: dict[str, type[Section]] = {
    name: section
    for name, section in Settings.__annotations__.items()
    if isinstance(section, type) and issubclass(section, Section)
}

SETTINGS: tuple[Setting, ...] = tuple(row for name, section in SECTIONS.items() for row in rows(name, section))
"""The one table of settings, in the order of the documentation."""
