-- Tenants, destinations, events, delivery tasks and attempts of the embedded profile.
--
-- Rows refer to each other by growing integer keys, so that text ids are indexed once and inserts append. Instants are
-- integers since 1970: milliseconds, but microseconds in the columns called `time`. Rows of tenants and destinations
-- stay after their deletion, emptied, because events and attempts refer to them.

CREATE TABLE tenants (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

-- credentials and delivery_metadata are sealed.
CREATE TABLE destinations (
    key INTEGER PRIMARY KEY,
    tenant_key INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    topics TEXT NOT NULL,
    filter TEXT,
    config TEXT NOT NULL,
    credentials BLOB NOT NULL,
    delivery_metadata BLOB,
    metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    disabled_at INTEGER,
    deleted_at INTEGER,
    UNIQUE (tenant_key, id)
) STRICT;

-- data is the JSON text as it was sent.
CREATE TABLE events (
    key INTEGER PRIMARY KEY,
    tenant_key INTEGER NOT NULL,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    time INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    eligible_for_retry INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    matched_destination_ids TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_id ON events (id);
CREATE INDEX events_by_time ON events (time);
CREATE INDEX events_by_tenant ON events (tenant_key, time);

-- lease: the run that holds the task in memory, 0 while it waits.
CREATE TABLE tasks (
    key INTEGER PRIMARY KEY,
    event_key INTEGER NOT NULL,
    destination_key INTEGER NOT NULL,
    attempt_number INTEGER NOT NULL,
    manual INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    lease INTEGER NOT NULL
) STRICT;
CREATE INDEX tasks_by_event ON tasks (event_key);
CREATE INDEX tasks_waiting ON tasks (destination_key, due_at) WHERE lease = 0;

CREATE TABLE attempts (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    tenant_key INTEGER NOT NULL,
    event_key INTEGER NOT NULL,
    destination_key INTEGER NOT NULL,
    destination_type TEXT NOT NULL,
    attempt_number INTEGER NOT NULL,
    manual INTEGER NOT NULL,
    status TEXT NOT NULL,
    time INTEGER NOT NULL,
    code TEXT NOT NULL,
    response_data BLOB
) STRICT;
CREATE INDEX attempts_by_id ON attempts (id);
CREATE INDEX attempts_by_event ON attempts (event_key);
CREATE INDEX attempts_by_time ON attempts (time);
CREATE INDEX attempts_by_tenant ON attempts (tenant_key, time);
CREATE INDEX attempts_by_destination ON attempts (destination_key, time);

CREATE TABLE dropped_tasks (
    key INTEGER PRIMARY KEY,
    event_key INTEGER NOT NULL,
    destination_key INTEGER NOT NULL,
    attempt_number INTEGER NOT NULL,
    manual INTEGER NOT NULL,
    reason TEXT NOT NULL,
    dropped_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dropped_tasks_by_event ON dropped_tasks (event_key);

-- One row for each start of the server; its key is the lease of that run.
CREATE TABLE runs (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at INTEGER NOT NULL
) STRICT;
