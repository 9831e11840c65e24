-- The primary key of attempts is named after its table.
-- outpost: online
ALTER INDEX IF EXISTS deliveries_pkey RENAME TO attempts_pkey;
ALTER INDEX IF EXISTS deliveries_default_pkey RENAME TO attempts_default_pkey;
