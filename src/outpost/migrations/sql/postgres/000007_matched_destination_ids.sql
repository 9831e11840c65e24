-- Events know all destinations they were matched with.
-- outpost: indexes events
-- outpost: checks events
ALTER TABLE events ADD COLUMN matched_destination_ids text[];
CREATE TABLE IF NOT EXISTS outpost_kept_event_destinations (
    time timestamptz NOT NULL,
    id text NOT NULL,
    destination_id text NOT NULL,
    PRIMARY KEY (time, id)
);

-- The destination an event was published for, if it was for one, and all that it was sent to.
-- outpost: batches events 5000
-- outpost: keeps outpost_kept_event_destinations
WITH filled AS (
    UPDATE events AS e
       SET matched_destination_ids = ARRAY(
               SELECT e.destination_id
                WHERE e.destination_id <> ''
                UNION
               SELECT a.destination_id
                 FROM attempts AS a
                WHERE a.event_id = e.id
                  AND a.tenant_id = e.tenant_id
                ORDER BY 1
           )
     WHERE e.time BETWEEN $1 AND $3
       AND (e.time, e.id) > ($1, $2)
       AND (e.time, e.id) <= ($3, $4)
       AND e.matched_destination_ids IS NULL
    RETURNING e.time, e.id, e.destination_id
)
INSERT INTO outpost_kept_event_destinations (time, id, destination_id)
SELECT time, id, destination_id
  FROM filled
 WHERE destination_id <> ''
    ON CONFLICT DO NOTHING;

-- outpost: sweep
LOCK TABLE events IN ACCESS EXCLUSIVE MODE;

ALTER TABLE events
    ALTER COLUMN matched_destination_ids SET DEFAULT '{}',
    ALTER COLUMN matched_destination_ids SET NOT NULL;
-- outpost: ahead events
CREATE INDEX ON events USING gin (matched_destination_ids);
-- outpost: keeps outpost_kept_event_destinations
ALTER TABLE events DROP COLUMN destination_id;
