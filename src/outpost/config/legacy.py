"""Names found in older documents and examples that are not read, and what to write instead."""

_FIXED_POLICY = "has no effect; the redelivery policy of queues is fixed"
_NOT_A_SETTING = "is not a setting and has no effect"


def _renamed(name: str) -> str:
    return f"is not read; write {name}"


ENVIRONMENT = {
    "PORT": _renamed("API_PORT"),
    "PUBLISHMQ_MAX_CONCURRENCY": _renamed("PUBLISH_MAX_CONCURRENCY"),
    "DELIVERYMQ_MAX_CONCURRENCY": _renamed("DELIVERY_MAX_CONCURRENCY"),
    "IDGEN_DELIVERY_PREFIX": _renamed("IDGEN_ATTEMPT_PREFIX"),
    "ALERT_CALLBACK_URL": "is not read; alerts are operator events, see OPERATOR_EVENTS_HTTP_URL",
    "AUDIT_LOG": _NOT_A_SETTING,
    "REDIS_POOL_SIZE": _NOT_A_SETTING,
    "REDIS_MIN_IDLE_CONNS": _NOT_A_SETTING,
    "REDIS_MAX_RETRIES": _NOT_A_SETTING,
}

YAML = {
    "port": _renamed("api_port"),
    "mqs.awssqs": _renamed("mqs.aws_sqs"),
    "rabbitmq": _renamed("mqs.rabbitmq"),
    "delivery.max_concurrency": _renamed("delivery_max_concurrency"),
    "delivery.timeout_seconds": _renamed("delivery_timeout_seconds"),
    "max_retry_limit": _renamed("retry_max_limit"),
    "mqs.delivery_retry_limit": _FIXED_POLICY,
    "mqs.log_retry_limit": _FIXED_POLICY,
    "MinRetryBackoff": _FIXED_POLICY,
    "MaxRetryBackoff": _FIXED_POLICY,
    "RetryLimit": _FIXED_POLICY,
    "idgen.delivery_prefix": _renamed("idgen.attempt_prefix"),
    "idgen.delivery_event_prefix": _renamed("idgen.attempt_prefix"),
    "alert.callback_url": "is not read; alerts are operator events, see operator_events.http.url",
    "audit_log": _NOT_A_SETTING,
    "mqs.gcp_pubsub.credentials": _renamed("mqs.gcp_pubsub.service_account_credentials"),
    "publishmq.gcp_pubsub.credentials": _renamed("publishmq.gcp_pubsub.service_account_credentials"),
    "operation_events": _renamed("operator_events"),
    "postgres_url": _renamed("postgres"),
    "redis.pool_size": _NOT_A_SETTING,
    "redis.min_idle_conns": _NOT_A_SETTING,
    "redis.max_retries": _NOT_A_SETTING,
}

OPERATOR_EVENT_TOPICS = {"tenant.subscriptions.updated": "tenant.subscription.updated"}
