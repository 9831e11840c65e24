-- An event knows all destinations it matched, instead of the one it may have been published to.
--
-- Every known pair of event and destination is copied aside before the one ALTER drops the column, and the new column
-- is filled from the copy. It is filled by inserting the rows once more, not by a mutation: a mutation cannot look into
-- the attempts, and cannot be taken up where it stopped. A row inserted again replaces the old one by its sorting key,
-- so a window may be repeated at will; the last statement has the old rows merged away.

CREATE TABLE IF NOT EXISTS {outpost_kept_event_destinations} {on_cluster} (
    event_time DateTime64(3),
    event_id String,
    destination_id String,
    from_event Bool
) ENGINE = {ReplacingMergeTree}
PARTITION BY toYYYYMM(event_time)
ORDER BY (event_time, event_id, destination_id, from_event);

-- The destinations that events were published to.
-- outpost: windows events.event_time
-- outpost: needs events.destination_id
INSERT INTO {outpost_kept_event_destinations} (event_time, event_id, destination_id, from_event)
SELECT DISTINCT event_time, event_id, destination_id, true
  FROM {events}
 WHERE event_time > fromUnixTimestamp64Milli({after:Int64})
   AND event_time <= fromUnixTimestamp64Milli({until:Int64})
   AND destination_id != ''
   AND (event_time, event_id, destination_id) NOT IN (
       SELECT event_time, event_id, destination_id
         FROM {outpost_kept_event_destinations}
        WHERE event_time > fromUnixTimestamp64Milli({after:Int64})
          AND event_time <= fromUnixTimestamp64Milli({until:Int64})
          AND from_event);

-- The destinations that events were sent to. What is known already is looked up by the times of the events, which bound
-- it: a window of attempts has the events of that time, and of retries some days earlier.
-- outpost: windows attempts.attempt_time
INSERT INTO {outpost_kept_event_destinations} (event_time, event_id, destination_id, from_event)
SELECT DISTINCT event_time, event_id, destination_id, false
  FROM {attempts}
 WHERE attempt_time > fromUnixTimestamp64Milli({after:Int64})
   AND attempt_time <= fromUnixTimestamp64Milli({until:Int64})
   AND destination_id != ''
   AND (event_time, event_id, destination_id) NOT IN (
       SELECT event_time, event_id, destination_id
         FROM {outpost_kept_event_destinations}
        WHERE event_time >= (
              SELECT min(event_time)
                FROM {attempts}
               WHERE attempt_time > fromUnixTimestamp64Milli({after:Int64})
                 AND attempt_time <= fromUnixTimestamp64Milli({until:Int64}))
          AND event_time <= (
              SELECT max(event_time)
                FROM {attempts}
               WHERE attempt_time > fromUnixTimestamp64Milli({after:Int64})
                 AND attempt_time <= fromUnixTimestamp64Milli({until:Int64})));

-- outpost: keeps outpost_kept_event_destinations
ALTER TABLE {events} {on_cluster}
    ADD COLUMN IF NOT EXISTS matched_destination_ids Array(String) DEFAULT [],
    ADD INDEX IF NOT EXISTS idx_matched_destination_ids matched_destination_ids TYPE bloom_filter GRANULARITY 1,
    DROP INDEX IF EXISTS idx_destination_id,
    DROP COLUMN IF EXISTS destination_id;

-- outpost: windows outpost_kept_event_destinations.event_time
INSERT INTO {events} (
    event_id, tenant_id, topic, eligible_for_retry, event_time, metadata, data, matched_destination_ids)
SELECT event_id, tenant_id, topic, eligible_for_retry, event_time, metadata, data,
       arraySort(arrayDistinct(arrayConcat(known, kept)))
  FROM (
       SELECT event_time, event_id, any(tenant_id) AS tenant_id, any(topic) AS topic,
              any(eligible_for_retry) AS eligible_for_retry, any(metadata) AS metadata, any(data) AS data,
              groupUniqArrayArray(matched_destination_ids) AS known
         FROM {events}
        WHERE event_time > fromUnixTimestamp64Milli({after:Int64})
          AND event_time <= fromUnixTimestamp64Milli({until:Int64})
        GROUP BY event_time, event_id) AS event
  INNER JOIN (
       SELECT event_time, event_id, groupUniqArray(destination_id) AS kept
         FROM {outpost_kept_event_destinations}
        WHERE event_time > fromUnixTimestamp64Milli({after:Int64})
          AND event_time <= fromUnixTimestamp64Milli({until:Int64})
        GROUP BY event_time, event_id) AS pairs
 USING (event_time, event_id)
 WHERE NOT hasAll(known, kept);

-- Only months for which something was kept.
-- outpost: partitions events of outpost_kept_event_destinations
OPTIMIZE TABLE {events} {on_cluster} PARTITION ID :partition FINAL;
