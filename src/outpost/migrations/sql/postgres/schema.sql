-- The tables as all migrations together make them. Postgres names what has no name here.
CREATE TABLE events (
    id text NOT NULL,
    tenant_id text NOT NULL,
    time timestamptz NOT NULL,
    topic text NOT NULL,
    eligible_for_retry boolean NOT NULL,
    data text NOT NULL,
    metadata jsonb NOT NULL,
    matched_destination_ids text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (time, id)
) PARTITION BY RANGE (time);
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE INDEX idx_events_id ON events (id);
CREATE INDEX idx_events_tenant_time ON events (tenant_id, time DESC, id DESC);
CREATE INDEX idx_events_tenant_topic_time ON events (tenant_id, topic, time DESC, id DESC);
CREATE INDEX ON events USING gin (matched_destination_ids);

CREATE TABLE attempts (
    id text NOT NULL,
    event_id text NOT NULL,
    destination_id text NOT NULL,
    status text NOT NULL,
    time timestamptz NOT NULL,
    code text,
    response_data text,
    manual boolean NOT NULL DEFAULT false,
    attempt_number integer NOT NULL DEFAULT 0,
    tenant_id text NOT NULL,
    topic text NOT NULL,
    event_time timestamptz NOT NULL,
    eligible_for_retry boolean NOT NULL,
    event_data text NOT NULL,
    event_metadata jsonb NOT NULL,
    destination_type text NOT NULL DEFAULT '',
    PRIMARY KEY (time, id)
) PARTITION BY RANGE (time);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;
CREATE INDEX idx_attempts_tenant_time ON attempts (tenant_id, time DESC, id DESC);
CREATE INDEX idx_attempts_tenant_dest_time ON attempts (tenant_id, destination_id, time DESC, id DESC);
CREATE INDEX idx_attempts_tenant_status_time ON attempts (tenant_id, status, time DESC, id DESC);
CREATE INDEX idx_attempts_tenant_topic_time ON attempts (tenant_id, topic, time DESC, id DESC);
CREATE INDEX idx_attempts_tenant_desttype_time ON attempts (tenant_id, destination_type, time DESC, id DESC);
CREATE INDEX idx_attempts_event_time ON attempts (event_id, time DESC, id DESC);
CREATE INDEX idx_attempts_id ON attempts (id);
