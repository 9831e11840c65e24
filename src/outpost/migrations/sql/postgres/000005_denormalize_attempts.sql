-- Deliveries become attempts, each with a copy of its event.
-- outpost: indexes deliveries events
-- outpost: checks deliveries
ALTER TABLE deliveries
    ADD COLUMN tenant_id text,
    ADD COLUMN topic text,
    ADD COLUMN event_time timestamptz,
    ADD COLUMN eligible_for_retry boolean,
    ADD COLUMN event_data jsonb,
    ADD COLUMN event_metadata jsonb;
CREATE TABLE IF NOT EXISTS outpost_kept_orphan_deliveries (
    id text NOT NULL,
    event_id text NOT NULL,
    destination_id text NOT NULL,
    status text NOT NULL,
    time timestamptz NOT NULL,
    code text,
    response_data jsonb,
    manual boolean NOT NULL,
    attempt integer NOT NULL,
    PRIMARY KEY (time, id)
);
-- First of all indexes, because the next statement finds events by their id.
-- outpost: apart
-- outpost: ahead events
CREATE INDEX idx_events_id ON events (id);

-- Several events may share an id, even of different tenants. The index table knows which of them a delivery was for.
-- Where it does not, it is the last one published before the delivery, else the first one after it.
-- outpost: batches deliveries 5000
UPDATE deliveries AS d
   SET (tenant_id, topic, event_time, eligible_for_retry, event_data, event_metadata) = (
           SELECT e.tenant_id, e.topic, e.time, e.eligible_for_retry, e.data, e.metadata
             FROM events AS e
            WHERE e.id = d.event_id
            ORDER BY EXISTS (
                         SELECT
                           FROM event_delivery_index AS i
                          WHERE i.delivery_time = d.time
                            AND i.event_id = d.event_id
                            AND i.destination_id = d.destination_id
                            AND i.tenant_id = e.tenant_id
                            AND i.event_time = e.time
                     ) DESC,
                     e.time > d.time,
                     abs(extract(epoch FROM d.time - e.time)),
                     e.time
            LIMIT 1
       )
 WHERE d.time BETWEEN $1 AND $3
   AND (d.time, d.id) > ($1, $2)
   AND (d.time, d.id) <= ($3, $4)
   AND d.tenant_id IS NULL;

-- Deliveries whose event is gone cannot become attempts.
-- outpost: batches deliveries 5000
-- outpost: keeps outpost_kept_orphan_deliveries
WITH orphans AS (
    DELETE FROM deliveries AS d
     WHERE d.time BETWEEN $1 AND $3
       AND (d.time, d.id) > ($1, $2)
       AND (d.time, d.id) <= ($3, $4)
       AND d.tenant_id IS NULL
       AND NOT EXISTS (SELECT FROM events AS e WHERE e.id = d.event_id)
    RETURNING id, event_id, destination_id, status, time, code, response_data, manual, attempt
)
INSERT INTO outpost_kept_orphan_deliveries
       (id, event_id, destination_id, status, time, code, response_data, manual, attempt)
SELECT id, event_id, destination_id, status, time, code, response_data, manual, attempt
  FROM orphans
    ON CONFLICT DO NOTHING;

-- outpost: sweep
LOCK TABLE events, deliveries, event_delivery_index IN ACCESS EXCLUSIVE MODE;

ALTER TABLE deliveries
    ALTER COLUMN tenant_id SET NOT NULL,
    ALTER COLUMN topic SET NOT NULL,
    ALTER COLUMN event_time SET NOT NULL,
    ALTER COLUMN eligible_for_retry SET NOT NULL,
    ALTER COLUMN event_data SET NOT NULL,
    ALTER COLUMN event_metadata SET NOT NULL;
ALTER TABLE deliveries RENAME TO attempts;
ALTER TABLE IF EXISTS deliveries_default RENAME TO attempts_default;
ALTER TABLE attempts RENAME COLUMN attempt TO attempt_number;

ALTER TABLE event_delivery_index RENAME TO outpost_kept_event_delivery_index;
ALTER TABLE IF EXISTS event_delivery_index_default RENAME TO outpost_kept_event_delivery_index_default;

-- outpost: keeps events.time and events.id, which it was computed from
ALTER TABLE events DROP COLUMN time_id;
DROP INDEX IF EXISTS events_tenant_id_destination_id_idx;
DROP INDEX IF EXISTS events_tenant_id_time_id_idx;
DROP INDEX IF EXISTS deliveries_event_id_idx;
DROP INDEX IF EXISTS deliveries_event_id_status_idx;

-- outpost: ahead events
CREATE INDEX idx_events_tenant_time ON events (tenant_id, time DESC, id DESC);
-- outpost: ahead events
CREATE INDEX idx_events_tenant_topic_time ON events (tenant_id, topic, time DESC, id DESC);
-- outpost: ahead deliveries
CREATE INDEX idx_attempts_tenant_time ON attempts (tenant_id, time DESC, id DESC);
-- outpost: ahead deliveries
CREATE INDEX idx_attempts_tenant_dest_time ON attempts (tenant_id, destination_id, time DESC, id DESC);
-- outpost: ahead deliveries
CREATE INDEX idx_attempts_tenant_status_time ON attempts (tenant_id, status, time DESC, id DESC);
-- outpost: ahead deliveries
CREATE INDEX idx_attempts_tenant_topic_time ON attempts (tenant_id, topic, time DESC, id DESC);
-- outpost: ahead deliveries
CREATE INDEX idx_attempts_event_time ON attempts (event_id, time DESC, id DESC);
-- outpost: ahead deliveries
CREATE INDEX idx_attempts_id ON attempts (id);
