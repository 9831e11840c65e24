-- Attempts know the type of their destination.
-- outpost: indexes attempts
ALTER TABLE attempts ADD COLUMN destination_type text NOT NULL DEFAULT '';

-- outpost: apart
-- outpost: ahead attempts
CREATE INDEX idx_attempts_tenant_desttype_time ON attempts (tenant_id, destination_type, time DESC, id DESC);
