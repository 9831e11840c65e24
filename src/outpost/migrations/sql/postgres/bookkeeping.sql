-- What the tool keeps about itself. schema_migrations is the original tool's and holds its numbers only: the newest one,
-- and whether the tool is in the middle of it.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version bigint NOT NULL PRIMARY KEY,
    dirty boolean NOT NULL
);
-- One row for each migration that was begun. done: statements of the file that are finished; cursor_time, cursor_id: the
-- last row of the next one's table that is; kept: rows moved aside, by table.
CREATE TABLE IF NOT EXISTS outpost_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    digests text[] NOT NULL,
    done integer NOT NULL DEFAULT 0,
    cursor_time timestamptz,
    cursor_id text,
    kept jsonb NOT NULL DEFAULT '{}',
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at timestamptz,
    duration_ms bigint NOT NULL DEFAULT 0,
    host text NOT NULL,
    version text NOT NULL,
    run text NOT NULL,
    fence bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS outpost_migration_runs (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record text NOT NULL
);
-- One row. A free lock has no token.
CREATE TABLE IF NOT EXISTS outpost_migration_lease (
    key integer PRIMARY KEY CHECK (key = 1),
    fence bigint NOT NULL,
    token text,
    heartbeat_at timestamptz,
    owner text,
    progress text,
    steering text
);
INSERT INTO outpost_migration_lease (key, fence) VALUES (1, 0) ON CONFLICT DO NOTHING;
