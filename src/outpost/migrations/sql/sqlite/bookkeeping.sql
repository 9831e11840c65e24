-- What the tool keeps about itself: what was applied, every run, and the lease (one row; a free lock has no token).
CREATE TABLE IF NOT EXISTS outpost_migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    host TEXT NOT NULL,
    version TEXT NOT NULL,
    run TEXT NOT NULL,
    fence INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS outpost_migration_runs (
    key INTEGER PRIMARY KEY,
    record TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS outpost_migration_lease (
    key INTEGER PRIMARY KEY CHECK (key = 1),
    fence INTEGER NOT NULL,
    token TEXT,
    heartbeat_at REAL,
    owner TEXT,
    progress TEXT,
    steering TEXT
) STRICT;
INSERT OR IGNORE INTO outpost_migration_lease (key, fence) VALUES (1, 0);
