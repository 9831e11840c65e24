-- What all migrations make together; tests and `verify` compare a database with it.
CREATE TABLE {events} (
    event_id String,
    tenant_id String,
    topic String,
    eligible_for_retry Bool,
    event_time DateTime64(3),
    metadata String,
    data String,
    matched_destination_ids Array(String) DEFAULT [],
    INDEX idx_tenant_id tenant_id TYPE bloom_filter GRANULARITY 1,
    INDEX idx_event_id event_id TYPE bloom_filter GRANULARITY 1,
    INDEX idx_topic topic TYPE bloom_filter GRANULARITY 1,
    INDEX idx_matched_destination_ids matched_destination_ids TYPE bloom_filter GRANULARITY 1
) ENGINE = {ReplacingMergeTree}
PARTITION BY toYYYYMM(event_time)
ORDER BY (event_time, event_id);

CREATE TABLE {attempts} (
    event_id String,
    tenant_id String,
    destination_id String,
    topic String,
    eligible_for_retry Bool,
    event_time DateTime64(3),
    metadata String,
    data String,
    attempt_id String,
    status String,
    attempt_time DateTime64(3),
    code String,
    response_data String,
    manual Bool DEFAULT false,
    attempt_number UInt32 DEFAULT 0,
    destination_type String DEFAULT '',
    INDEX idx_tenant_id tenant_id TYPE bloom_filter GRANULARITY 1,
    INDEX idx_destination_id destination_id TYPE bloom_filter GRANULARITY 1,
    INDEX idx_event_id event_id TYPE bloom_filter GRANULARITY 1,
    INDEX idx_attempt_id attempt_id TYPE bloom_filter GRANULARITY 1,
    INDEX idx_topic topic TYPE bloom_filter GRANULARITY 1,
    INDEX idx_status status TYPE set(100) GRANULARITY 1,
    INDEX idx_destination_type destination_type TYPE bloom_filter GRANULARITY 1
) ENGINE = {ReplacingMergeTree}
PARTITION BY toYYYYMM(attempt_time)
ORDER BY (attempt_time, attempt_id);
