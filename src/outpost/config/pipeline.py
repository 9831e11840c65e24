"""Settings of the road from publish to log."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from outpost.config.setting import Key, Section

DedupScope = Literal["tenant", "deployment"]


class PipelineSettings(Section, frozen=True, kw_only=True):
    """How much happens at once, how long things are remembered."""

    title: ClassVar[str] = "Pipeline"

    publish_max_concurrency: Annotated[
        int,
        Key(
            "PUBLISH_MAX_CONCURRENCY",
            "publish_max_concurrency",
            "Events taken from the publish queue at once; the API is not limited by it.",
            minimum=1,
        ),
    ] = 1
    delivery_max_concurrency: Annotated[
        int | None,
        Key(
            "DELIVERY_MAX_CONCURRENCY",
            "delivery_max_concurrency",
            "Deliveries under way at once, in total, divided among the processes.",
            minimum=1,
            default_text="automatic: hundreds, shared fairly between destinations",
        ),
    ] = None
    log_max_concurrency: Annotated[
        int,
        Key(
            "LOG_MAX_CONCURRENCY",
            "log_max_concurrency",
            "Log messages are handled as many at once as have arrived, up to `LOG_BATCH_SIZE`.",
            minimum=1,
            ignored=True,
        ),
    ] = 1
    delivery_timeout_seconds: Annotated[
        int,
        Key(
            "DELIVERY_TIMEOUT_SECONDS",
            "delivery_timeout_seconds",
            "Time one attempt may take; 0 is 5.",
            unit="seconds",
            non_positive=5,
        ),
    ] = 5
    publish_idempotency_key_ttl: Annotated[
        int,
        Key(
            "PUBLISH_IDEMPOTENCY_KEY_TTL",
            "publish_idempotency_key_ttl",
            "An event published again with the same id within this time is the same event.",
            unit="seconds",
            minimum=1,
        ),
    ] = 3600
    delivery_idempotency_key_ttl: Annotated[
        int,
        Key(
            "DELIVERY_IDEMPOTENCY_KEY_TTL",
            "delivery_idempotency_key_ttl",
            "A delivery task that arrives again within this time is done only once.",
            unit="seconds",
            minimum=1,
        ),
    ] = 3600
    publish_dedup_scope: Annotated[
        DedupScope,
        Key(
            "PUBLISH_DEDUP_SCOPE",
            "publish_dedup_scope",
            "Where an event id must be unique: within its `tenant`, or within the whole `deployment`.",
        ),
    ] = "tenant"
    log_batch_threshold_seconds: Annotated[
        int,
        Key(
            "LOG_BATCH_THRESHOLD_SECONDS",
            "log_batch_threshold_seconds",
            "An attempt is recorded at once, or a fifth of a second later where the store is busy.",
            unit="seconds",
            ignored=True,
        ),
    ] = 10
    log_batch_size: Annotated[
        int,
        Key("LOG_BATCH_SIZE", "log_batch_size", "Most attempts recorded together.", minimum=1),
    ] = 1000
    direct_log: Annotated[
        bool | None,
        Key(
            "DIRECT_LOG",
            "direct_log",
            "Record attempts without the log queue.",
            default_text="on where one process both delivers and logs",
        ),
    ] = None
    backlog_limit: Annotated[
        int,
        Key(
            "BACKLOG_LIMIT",
            "backlog_limit",
            "Delivery tasks that may wait in the embedded profile; above it publishing answers 503.",
            unit="tasks",
            minimum=1,
        ),
    ] = 1_000_000
    log_retention_days: Annotated[
        int,
        Key(
            "LOG_RETENTION_DAYS",
            "log_retention_days",
            "Events and attempts in SQLite and Postgres are dropped after this time; 0 keeps them.",
            unit="days",
        ),
    ] = 0

    @property
    def delivery_timeout(self) -> timedelta:
        return timedelta(seconds=self.delivery_timeout_seconds)
