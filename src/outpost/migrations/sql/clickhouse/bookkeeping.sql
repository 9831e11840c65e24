-- What the original tool keeps, as it makes it; the newest row counts.
CREATE TABLE IF NOT EXISTS {schema_migrations} {on_cluster} (
    version Int64,
    dirty UInt8,
    sequence UInt64
) ENGINE = {MergeTree}
ORDER BY sequence;

-- Our journal: a row for every step of a migration; the newest of a number counts. `sequence` is the time in nanoseconds.
CREATE TABLE IF NOT EXISTS {outpost_migrations} {on_cluster} (
    number UInt32,
    sequence UInt64,
    name String,
    checksum String,
    done UInt32,
    digests Array(String),
    cursor Nullable(Int64),
    finished Bool,
    duration_ms UInt64,
    host String,
    version String,
    run String,
    fence UInt64,
    at DateTime64(9, 'UTC') ALIAS fromUnixTimestamp64Nano(toInt64(sequence), 'UTC')
) ENGINE = {MergeTree}
ORDER BY (number, sequence);

CREATE TABLE IF NOT EXISTS {outpost_migration_runs} {on_cluster} (
    sequence UInt64,
    record String
) ENGINE = {MergeTree}
ORDER BY sequence;
