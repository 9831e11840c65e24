-- An attempt knows the type of its destination.

ALTER TABLE {attempts} {on_cluster}
    ADD COLUMN IF NOT EXISTS destination_type String DEFAULT '',
    ADD INDEX IF NOT EXISTS idx_destination_type destination_type TYPE bloom_filter GRANULARITY 1;
